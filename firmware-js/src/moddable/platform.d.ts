/** Modules of the Moddable SDK, which the build leaves to its own linker. */
declare module 'embedded:storage/key-value' {
  const storage: import('./device.ts').KeyValueStorage;
  export default storage;
}
declare module 'timer' {
  const timer: import('./device.ts').PlatformTimer;
  export default timer;
}
