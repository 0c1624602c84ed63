// Made from native/ascon-p.s by `npm run native --workspace firmware-js`; do not edit.

/** Ascon-p as 354 bytes of Thumb-2 code, in base64. */
export const PERMUTATION =
  'LenxT5Do/A/B6wERwfHwAYbqAQaC6goCiuoICobqBAYi6goMJOoCDibqBACC6gACKOoGAITqAAQq6ggAhuoABojq' +
  'DAiK6g4KhOoCBILqCgKI6gYIb+oGBoPqCwOL6gkLh+oFByPqCwwl6gMOJ+oFAIPqAAMp6gcAheoABSvqCQCH6gAH' +
  'ieoMCYvqDguF6gMFg+oLA4nqBwlv6gcHlEaeRoLq3EKC6k4yguoccoLqDhKD6t5Dg+pMM4PqHnOD6gwTpEauRoTq' +
  'XnSE6swEhepcdYXqzgWE6t4UhOpMZIXq3BWF6k5ltEa+RobqXAaG6s52huqcFobqjmaH6l4Hh+rMd4fqnheH6oxn' +
  'xEbORojqnCiI6o5YiOpcSIjqzjiJ6p4pieqMWYnqXkmJ6sw51EbeRorqXiqK6sxai+pcK4vqzluK6twaiupOaovq' +
  '3huL6kxrDzk8KX/0XK8BvIDo/A+96PCP';
