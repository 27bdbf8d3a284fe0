// What each quality flag means, in a sentence; docs/reference/quality.md says how each is found.

export const FLAGS = {
  low_signal: "The signal is hardly above the noise.",
  outside_training_range: "A flux is below or above that of every training galaxy at its sample.",
  out_of_distribution: "The spectrum is unlike those of the training galaxies, or a band is missing.",
  bimodal: "The density has two modes: use p(z) rather than the estimate.",
  near_range_edge: "Within 0.02 of an end of the training range, where estimates are pulled inwards.",
  missing_band: "BP or RP is constant, or half of it is zero.",
  stellar_like: "It looks like a star, a quasar, or a galaxy with a star in front.",
  noise_mismatch: "The noise does not fit the brightness: is the unit of the fluxes right?",
};
