/**
 * Starts the example with what the key-value domain `mozaik-setup` holds: the key stands in no source
 * file. What writes it calls `provision(masterKey)` once, which makes the key's nonce ledger. `mozaik flash`
 * builds the same app with settings of its own, see `../flash`.
 */
import storage from 'embedded:storage/key-value';
import { start } from './app';

const setup = storage.open({ path: 'mozaik-setup', format: 'buffer' });
const bytes = (key) => new Uint8Array(setup.read(key));
const text = (key) => String.fromArrayBuffer(setup.read(key));

start({
  host: text('host'),
  port: 8883,
  password: text('password'),
  masterKey: bytes('masterKey'),
  userId: bytes('userId'),
});
