import { connect as connectTcp, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import {
  closedPort,
  describe as descriptor,
  dial,
  greeting,
  HOST,
  JOB,
  join,
  joinAll,
  knock,
  ring,
  serve,
  strangerKey,
  talk,
} from './members.ts';
import { codeOf, sleep, timed } from './outcomes.ts';

/** What a refusal or an end may take, ms: far less than any time limit that these tests set. */
const PROMPT_MS = 1500;

async function promptly<T>(what: Promise<T>): Promise<T> {
  const late = sleep(PROMPT_MS, undefined, { ref: false }).then(() => {
    throw new Error('too late');
  });
  return Promise.race([what, late]);
}

describe('three parties', () => {
  test('connect and talk both ways; meters count', async () => {
    const members = await ring();
    const sessions = await joinAll(members);
    expect(await talk(sessions)).toBe(true);
    for (const { channel } of sessions) expect(channel.meter).toEqual({ rounds: 2, bytesSent: 6 });
    for (const session of sessions) session.finish();
  });

  test('a party that hears of the job late finds the others waiting, and what they said', async () => {
    const members = await ring();
    const early = [join(members, 0), join(members, 1)];
    await sleep(200);
    const sessions = await Promise.all([...early, join(members, 2)]);
    expect(await talk(sessions)).toBe(true);
  });

  test('sessions at the same time do not mix', async () => {
    const members = await ring();
    const jobs = [1, 2, 3, 4].map((n) => new Uint8Array(16).fill(n));
    const all = await Promise.all(jobs.map((job) => joinAll(members, { job })));
    expect(await Promise.all(all.map(talk))).toEqual([true, true, true, true]);
    for (const session of all[0]) session.close();
    expect(await Promise.all(all.slice(1).map(talk))).toEqual([true, true, true]);
  });

  test('a party that leaves is PEER_LOST at both others at once', async () => {
    const members = await ring();
    const [a, b, c] = await joinAll(members);
    const waiting = [
      a.channel.rotate('next', Uint8Array.of(1), 1),
      b.channel.rotate('previous', Uint8Array.of(1), 1),
    ];
    c.close();
    for (const one of waiting) expect(await promptly(codeOf(() => one))).toBe('PEER_LOST');
  });

  test('what a peer sent beyond the protocol is PEER_PROTOCOL at the end', async () => {
    const members = await ring();
    const [a, b, c] = await joinAll(members);
    await Promise.all([a, b, c].map(({ channel }) => channel.rotate('next', Uint8Array.of(1), 1)));
    a.channel.rotate('next', Uint8Array.of(2), 1).catch(() => undefined);
    await sleep(100);
    expect(await codeOf(() => b.finish())).toBe('PEER_PROTOCOL');
    expect(await codeOf(() => c.finish())).toBe('done');
  });

  test('a connection that is altered on its way is PEER_LOST at once', async () => {
    const members = await ring();
    let spoil = false;
    const port = await serve((near) => {
      const far = connectTcp({ host: HOST, port: members[1].port });
      const onward = (data: Buffer) => {
        if (spoil) data[data.length - 1] ^= 1;
        return data;
      };
      near.on('data', (data: Buffer) => far.write(onward(data)));
      far.on('data', (data: Buffer) => near.write(data));
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      far.on('error', () => undefined);
    });
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    const [a, b] = await joinAll(members, { parties });
    spoil = true;
    const asked = b.channel.rotate('next', Uint8Array.of(1), 1);
    void a.channel.rotate('next', Uint8Array.of(1), 1).catch(() => undefined);
    expect(await promptly(codeOf(() => asked))).toBe('PEER_LOST');
  });
});

describe('a listener that is not the pinned party', () => {
  test('is PARTY_NOT_PINNED at once, and learns nothing of the session', async () => {
    const members = await ring();
    const heard: Buffer[] = [];
    const server = createTlsServer(
      { key: strangerKey.key, cert: strangerKey.certificate, requestCert: true },
      (socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (data: Buffer) => heard.push(data));
      },
    );
    const port = await serve((raw) => server.emit('connection', raw));
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    expect(await promptly(codeOf(() => join(members, 0, { parties })))).toBe('PARTY_NOT_PINNED');
    await sleep(50);
    expect(Buffer.concat(heard)).toHaveLength(0);
  });

  test('the session that failed keeps no place for the third party', async () => {
    const members = await ring({ earlyMs: 200 });
    const parties = members.map(({ pinned }, i) =>
      i === 1 ? descriptor(pinned.party, pinned.port, strangerKey) : pinned,
    );
    expect(await promptly(codeOf(() => join(members, 0, { parties })))).toBe('PARTY_NOT_PINNED');
    const { socket, ended } = await dial(members[0].port, members[2].tls);
    socket.write(greeting(JOB, members[2].id));
    await promptly(ended);
  });

  test('one that speaks TLS 1.2 only is not talked to', async () => {
    const members = await ring();
    const server = createTlsServer({
      key: members[1].tls.key,
      cert: members[1].tls.certificate,
      maxVersion: 'TLSv1.2',
    });
    let secured = 0;
    server.on('secureConnection', () => secured++);
    server.on('tlsClientError', () => undefined);
    const port = await serve((raw) => server.emit('connection', raw));
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    expect(await codeOf(() => join(members, 0, { parties, timeoutMs: 400 }))).toBe('PEER_LOST');
    expect(secured).toBe(0);
  });
});

describe('a dialler that is not the pinned party', () => {
  test.each(['before', 'while'])('is sent away and blocks nobody, %s we wait', async (when) => {
    const members = await ring();
    const impostor = async () => {
      const { socket, ended } = await dial(members[0].port, strangerKey);
      socket.write(greeting(JOB, members[2].id));
      return { ended };
    };
    const impostors = when === 'before' ? [await impostor(), await impostor()] : [];
    await sleep(50);
    const waiting = join(members, 0);
    await sleep(50);
    if (when === 'while') impostors.push(await impostor(), await impostor());
    for (const { ended } of impostors) await promptly(ended);
    const sessions = await Promise.all([waiting, join(members, 1), join(members, 2)]);
    expect(await talk(sessions)).toBe(true);
  });

  test('a pinned party cannot come as another one', async () => {
    const members = await ring();
    const waiting = join(members, 0);
    const { socket, ended } = await dial(members[0].port, members[1].tls);
    socket.write(greeting(JOB, members[2].id));
    await promptly(ended);
    const sessions = await Promise.all([waiting, join(members, 1), join(members, 2)]);
    expect(await talk(sessions)).toBe(true);
  });

  test('a greeting with an unknown party or job reaches no session', async () => {
    const members = await ring();
    const waiting = codeOf(() => join(members, 0, { timeoutMs: 500 }));
    const other = new Uint8Array(32).fill(9);
    for (const wrong of [greeting(JOB, other), greeting(new Uint8Array(16), members[2].id)]) {
      const { socket } = await dial(members[0].port, members[2].tls);
      socket.write(wrong);
    }
    expect(await waiting).toBe('PEER_LOST');
  });

  test('one without a certificate is refused', async () => {
    const members = await ring();
    const waiting = join(members, 0);
    const { socket, ended } = await dial(members[0].port);
    socket.write(greeting(JOB, members[2].id));
    await promptly(ended);
    expect(await talk(await Promise.all([waiting, join(members, 1), join(members, 2)]))).toBe(true);
  });

  test('one that speaks TLS 1.2 only is refused', async () => {
    const members = await ring();
    const { socket, ended } = await dial(members[0].port, members[2].tls, 'TLSv1.2');
    await promptly(ended);
    expect(socket.authorized).toBe(false);
    expect(socket.getProtocol()).not.toBe('TLSv1.3');
    // The same client is let in with TLS 1.3: it is the version that was refused.
    const modern = await dial(members[0].port, members[2].tls);
    expect(modern.socket.getProtocol()).toBe('TLSv1.3');
    const stays = await Promise.race([modern.ended.then(() => 'ended'), sleep(100, 'stays')]);
    expect(stays).toBe('stays');
  });
});

describe('strangers at the door', () => {
  const garbage: [string, (socket: Socket) => void][] = [
    ['garbage', (socket) => socket.write(Buffer.alloc(4096, 0x5a))],
    ['an HTTP request', (socket) => socket.write('GET / HTTP/1.1\r\n\r\n')],
    ['half a TLS record, then the end', (socket) => socket.end(Buffer.of(22, 3, 1, 2, 0, 1, 0))],
    ['a reset', (socket) => socket.resetAndDestroy()],
    ['nothing, then the end', (socket) => socket.end()],
  ];
  test.each(garbage)('%s: the connection ends, the party goes on', async (_, act) => {
    const members = await ring();
    const { socket, ended } = await knock(members[0].port);
    act(socket);
    await promptly(ended);
    expect(await talk(await joinAll(members))).toBe(true);
  });

  test.each([0, 1, 47])('a TLS client that leaves after %i bytes of greeting', async (bytes) => {
    const members = await ring();
    const { socket } = await dial(members[0].port, strangerKey);
    socket.end(greeting(JOB, members[2].id).subarray(0, bytes));
    await sleep(20);
    expect(await talk(await joinAll(members))).toBe(true);
  });

  test('silence and a dribbled greeting end at the same time limit', async () => {
    const members = await ring({ greetingMs: 300 });
    const silent = await knock(members[0].port);
    const secured = await dial(members[0].port, strangerKey);
    const slow = await dial(members[0].port, strangerKey);
    const dribble = setInterval(() => slow.socket.write(Buffer.of(1)), 50);
    const took = await timed(() =>
      promptly(Promise.all([silent.ended, secured.ended, slow.ended])),
    );
    clearInterval(dribble);
    expect(took).toBeGreaterThan(150);
  });

  test('a greeting for a job that never comes ends', async () => {
    const members = await ring({ earlyMs: 200 });
    const { socket, ended } = await dial(members[0].port, members[2].tls);
    socket.write(greeting(JOB, members[2].id));
    expect(await timed(() => promptly(ended))).toBeGreaterThan(150);
  });

  test('a flood of idle connections leaves room for a party', async () => {
    const members = await ring({ strangers: 20 });
    const idle = await Promise.all(Array.from({ length: 60 }, () => knock(members[0].port)));
    expect(await talk(await promptly(joinAll(members)))).toBe(true);
    await promptly(Promise.all(idle.slice(0, 30).map(({ ended }) => ended)));
  });

  test('a flood of greetings leaves room for a party that is early', async () => {
    const members = await ring({ early: 8 });
    for (let n = 0; n < 24; n++) {
      const { socket } = await dial(members[0].port, strangerKey);
      socket.write(greeting(new Uint8Array(16).fill(n), members[2].id));
    }
    const early = [join(members, 1), join(members, 2)];
    await sleep(100);
    expect(await talk([await join(members, 0), ...(await Promise.all(early))])).toBe(true);
  });
});

describe('a peer that does not come', () => {
  test('nobody listens: PEER_LOST at the time limit, not before', async () => {
    const members = await ring();
    const port = await closedPort();
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    const took = await timed(async () => {
      expect(await codeOf(() => join(members, 0, { parties, timeoutMs: 500 }))).toBe('PEER_LOST');
    });
    expect(took).toBeGreaterThan(350);
    expect(took).toBeLessThan(500 + PROMPT_MS);
  });

  test('it accepts but never speaks: PEER_LOST at the time limit', async () => {
    const members = await ring();
    const port = await serve(() => undefined);
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    const took = await timed(async () => {
      expect(await codeOf(() => join(members, 0, { parties, timeoutMs: 500 }))).toBe('PEER_LOST');
    });
    expect(took).toBeLessThan(500 + PROMPT_MS);
  });

  test('it listens a little later: it is found', async () => {
    const members = await ring();
    const port = await closedPort();
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    const joining = joinAll(members, { parties });
    await sleep(250);
    await members[1].peers.close();
    await members[1].peers.listen(HOST, port);
    expect(await talk(await promptly(joining))).toBe(true);
  });

  test('one that dies while the other is waited for is PEER_LOST at once', async () => {
    const members = await ring();
    const { key, certificate: cert } = members[1].tls;
    const server = createTlsServer({ key, cert }, (socket) => {
      socket.on('error', () => undefined);
      setTimeout(() => socket.destroy(), 50);
    });
    const port = await serve((raw) => server.emit('connection', raw));
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    const joining = join(members, 0, { parties, timeoutMs: 10_000 });
    await sleep(200);
    const { socket } = await dial(members[0].port, members[2].tls);
    socket.write(greeting(JOB, members[2].id));
    const session = await promptly(joining);
    const asked = session.channel.rotate('previous', Uint8Array.of(1), 1);
    expect(await promptly(codeOf(() => asked))).toBe('PEER_LOST');
  });
});

describe('abort', () => {
  test('while dialling, while waiting, and in the session: at once', async () => {
    const members = await ring();
    const silent = await serve(() => undefined);
    const nobody = await closedPort();
    for (const port of [silent, nobody, members[1].port]) {
      const abort = new AbortController();
      const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
      const options = { parties, timeoutMs: 20_000, signal: abort.signal };
      const joining = codeOf(() => join(members, 0, options));
      await sleep(150);
      abort.abort();
      expect(await promptly(joining)).toBe('PEER_LOST');
    }
    const abort = new AbortController();
    const job = new Uint8Array(16).fill(3);
    const [a] = await joinAll(members, { signal: abort.signal, job });
    const asked = a.channel.rotate('next', Uint8Array.of(1), 1);
    abort.abort();
    expect(await promptly(codeOf(() => asked))).toBe('PEER_LOST');
  });

  test('before it began: nobody is dialled', async () => {
    const members = await ring();
    let dialled = 0;
    const port = await serve(() => dialled++);
    const parties = members.map(({ pinned }, i) => (i === 1 ? { ...pinned, port } : pinned));
    const options = { parties, timeoutMs: 20_000, signal: AbortSignal.abort() };
    expect(await promptly(codeOf(() => join(members, 0, options)))).toBe('PEER_LOST');
    await sleep(50);
    expect(dialled).toBe(0);
  });
});

describe('close', () => {
  test('ends idle, greeted and waiting connections at once', async () => {
    const members = await ring();
    const { ended } = await knock(members[0].port);
    const early = await dial(members[0].port, members[2].tls);
    early.socket.write(greeting(JOB, members[2].id));
    const secured = await dial(members[0].port, strangerKey);
    await sleep(50);
    await promptly(members[0].peers.close());
    await promptly(Promise.all([ended, early.ended, secured.ended]));
  });

  test('a port that is taken is UNAVAILABLE', async () => {
    const [{ port }, { peers }] = await ring();
    expect(await codeOf(() => peers.listen(HOST, port))).toBe('UNAVAILABLE');
  });
});
