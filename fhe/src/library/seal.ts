/**
 * The library: node-seal, which is Microsoft SEAL 4.1.2 as WebAssembly. Of its bundles this is the
 * one without `new Function`, which a strict content security policy forbids. It is given no bytes
 * from outside but those that {@link ./objects.ts} has put together.
 */
import { bundle, compileLibrary } from '#seal-module';
import type { Context } from 'node-seal/implementation/context.js';
import type { SEALLibrary } from 'node-seal/implementation/seal.js';
import { MozaikError } from '@mozaik/protocol';
import { PARAMETERS, type Layout } from '../parameters.ts';

export type { Context, SEALLibrary };

/** Bits of the primes that a parameter set is generated from, in the library's order. */
export interface PrimeChain {
  degree: number;
  /** Ciphertext primes, then the special one. */
  bits: number[];
}

// The bundle's declarations are of an ES module, the bundle itself is CommonJS.
const start = bundle as unknown as (module: WebAssembly.Module) => Promise<SEALLibrary>;

let opened: Promise<SEALLibrary> | undefined;

/** @throws MozaikError UNAVAILABLE when this browser or Node cannot run it */
export function openLibrary(): Promise<SEALLibrary> {
  opened ??= compileLibrary()
    .then(start)
    .catch((error: unknown) => {
      opened = undefined;
      throw new MozaikError('UNAVAILABLE', 'node-seal does not load', { cause: error });
    });
  return opened;
}

/** What has to be deleted: memory of the library's heap, which no garbage collector frees. */
interface Native {
  delete(): void;
}

/** Takes a native object, so that it is deleted at the end of the scope, and returns it. */
export type Own = <T extends Native>(object: T) => T;

/**
 * Runs `work` and deletes what it owned, however it ends. Errors of the library, whose text may be
 * megabytes of its source, are reworded.
 */
export function scope<T>(work: (own: Own) => T): T {
  const owned: Native[] = [];
  try {
    return work((object) => {
      owned.push(object);
      return object;
    });
  } catch (error) {
    if (error instanceof MozaikError || error instanceof TypeError) throw error;
    if (error instanceof WebAssembly.RuntimeError) {
      // It stopped in the middle of something: nobody knows what its heap holds. The next one is fresh.
      owned.length = 0;
      opened = undefined;
      contexts.clear();
    }
    throw new MozaikError('HOMOMORPHIC_INPUT', 'the library refuses it');
  } finally {
    for (const object of owned.reverse()) object.delete();
  }
}

const chains: Record<Layout, PrimeChain> = {
  single: {
    degree: PARAMETERS.single.degree,
    bits: [...PARAMETERS.single.primes.map(() => 30), 30],
  },
  batch: { degree: PARAMETERS.batch.degree, bits: [...PARAMETERS.batch.primes.map(() => 26), 31] },
};

/** A context for primes of these bits, which the library holds to its table of 128-bit security. */
export function newContext(seal: SEALLibrary, { degree, bits }: PrimeChain): Context {
  return scope((own) => {
    const parameters = own(seal.EncryptionParameters(seal.SchemeType.ckks as never));
    parameters.setPolyModulusDegree(degree);
    parameters.setCoeffModulus(own(seal.CoeffModulus.Create(degree, Int32Array.from(bits))));
    const context = seal.Context(parameters, true, seal.SecurityLevel.tc128 as never);
    if (!context.parametersSet()) throw new TypeError('the library refuses the parameters');
    return context;
  });
}

/** The way to save an object that {@link ./objects.ts} reads. */
export const uncompressed = (seal: SEALLibrary) => seal.ComprModeType.none as never;

const contexts = new Map<Layout, Context>();

/** The context of a layout, made once: it lives as long as the library. */
export function contextOf(seal: SEALLibrary, layout: Layout): Context {
  const context = contexts.get(layout) ?? newContext(seal, chains[layout]);
  contexts.set(layout, context);
  return context;
}

/** The library's hash of the parameters with this many primes left. */
export function levelId(context: Context, limbs: number, own: Own): Uint8Array {
  let data = own(context.firstContextData);
  for (;;) {
    const parameters = own(data.parms);
    if (parameters.coeffModulus.length === limbs) {
      const { values } = own(data.parmsId);
      return new Uint8Array(values.buffer.slice(values.byteOffset, values.byteOffset + 32));
    }
    data = own(data.nextContextData);
  }
}
