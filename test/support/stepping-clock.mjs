/** Preloaded into a pod: SIGUSR2 sets its system clock forward by 15 minutes, SIGPWR back by 30. */
const System = globalThis.Date;
let offMs = 0;
process.on('SIGUSR2', () => {
  offMs += 900_000;
});
process.on('SIGPWR', () => {
  offMs -= 1_800_000;
});
globalThis.Date = class extends System {
  constructor(...parts) {
    super(...(parts.length === 0 ? [System.now() + offMs] : parts));
  }

  static now() {
    return System.now() + offMs;
  }
};
