/** What the routes work with. */
import type { Challenges } from '../auth/challenges.ts';
import type { Devices } from '../auth/devices.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Config } from '../config.ts';
import type { Ciphertexts } from '../jobs/ciphertexts.ts';
import type { Consents } from '../jobs/consents.ts';
import type { JobStore } from '../jobs/job-store.ts';
import type { Scheduler } from '../jobs/scheduler.ts';
import type { Metrics } from '../metrics.ts';
import type { SampleStore } from '../store/samples.ts';
import type { Models } from '../store/models.ts';
import type { Parties } from '../store/parties.ts';

export interface Services {
  config: Config;
  tokens: Tokens;
  challenges: Challenges;
  devices: Devices;
  samples: SampleStore;
  parties: Parties;
  models: Models;
  consents: Consents;
  jobs: JobStore;
  ciphertexts: Ciphertexts;
  scheduler: Scheduler;
  metrics: Metrics;
  /** Closes the MQTT connections of a device. */
  disconnectDevice: (user: string, device: string) => void;
}
