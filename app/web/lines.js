// Strong features of galaxies' spectra: rest wavelengths in vacuum, in nm.

export const LINES = [
  { name: "[O II]", nm: 372.8, emission: true },
  { name: "Ca K", nm: 393.5 },
  { name: "Ca H", nm: 397.0 },
  { name: "4000 Å", nm: 400.1 },
  { name: "Hβ", nm: 486.3, emission: true },
  { name: "[O III]", nm: 500.8, emission: true },
  { name: "Mg b", nm: 517.7 },
  { name: "Na D", nm: 589.4 },
  { name: "Hα", nm: 656.5, emission: true },
  { name: "[S II]", nm: 672.5, emission: true },
];
