"""From a trained network to a bundle: conversion to ONNX, tests, the card, and upgrades of older bundles."""
