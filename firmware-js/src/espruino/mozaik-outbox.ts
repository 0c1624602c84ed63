/** The module `mozaik-outbox`: samples that a power cut does not lose, see `outbox.ts`. */
import { Outbox } from '../outbox.ts';
import type { FlashArea, FlashModule } from './board.ts';
import type { ConnectOptions, Transport, TransportModule } from './device.ts';
import { FlashPages } from './flash-pages.ts';

export { Outbox } from '../outbox.ts';
export { FlashPages } from './flash-pages.ts';

/** A transport that keeps its samples in `options.keep`, and brings them away through `module`. */
export function open(
  options: ConnectOptions,
  device: Uint8Array,
  module: TransportModule,
): Transport {
  const flash = boardRequire('Flash') as FlashModule;
  const area = options.keep as FlashArea;
  const outbox = new Outbox(new FlashPages(flash, area), device, options.stream ?? 0);
  const settle = (tell: ((sequence: number) => void) | undefined) => (sequence: number) => {
    outbox.settle(sequence);
    if (tell !== undefined) {
      tell(sequence);
    }
  };
  const transport = module.open(
    Object.assign({}, options, {
      onAcknowledged: settle(options.onAcknowledged),
      onRejected: settle(options.onRejected),
    }),
    device,
  );
  outbox.start(transport);
  return {
    offer: (envelope) => outbox.offer(envelope),
    pending: () => outbox.pending(),
    stop: () => {
      transport.stop();
    },
  };
}
