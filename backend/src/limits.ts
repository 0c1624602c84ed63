/** Limits of the backend. Each names the attack or fault that it stops. */

/** A challenge is answered within this time, ms: a login that was overheard is soon worth nothing. */
export const CHALLENGE_TTL_MS = 60_000;
/** Open challenges; the oldest is dropped: anonymous requests cannot fill the memory. */
export const CHALLENGES_MAX = 10_000;

/** Life of a user's, party's or provider's token, seconds: bounds the use of a stolen one. */
export const TOKEN_TTL_S = 3600;
/** Life of a device's token, seconds. Its device record can end it earlier. */
export const DEVICE_TOKEN_TTL_S = 365 * 24 * 3600;
/** Longest token that is looked at, characters: no parsing of megabytes before a signature check. */
export const TOKEN_MAX_CHARS = 8192;

/**
 * Largest MQTT packet, bytes, enforced on the fixed header: a client that announces 256 MB is cut off
 * before anything is buffered. Room for a CONNECT with a large token.
 */
export const MQTT_PACKET_MAX_BYTES = 16_384;
/** A connection that has sent no CONNECT by then is closed, ms: stops idle anonymous sockets. */
export const MQTT_CONNECT_TIMEOUT_MS = 10_000;
/** Longest keep-alive that a client may ask for, s: bounds how long a dead connection holds a slot. */
export const MQTT_KEEPALIVE_MAX_S = 600;
/** A subscriber that takes no bytes for this long is dropped, ms: stops a frozen one. */
export const MQTT_DRAIN_TIMEOUT_MS = 30_000;
/** Connections of one user or party: one account cannot take every slot. */
export const MQTT_CONNECTIONS_PER_SUBJECT = 16;
/** Packets other than PUBLISH, per second and as a burst: a flood of pings or subscriptions. */
export const MQTT_CONTROL_RATE = 50;
export const MQTT_CONTROL_BURST = 200;

/** Devices of one user: one account cannot fill the store with records. */
export const DEVICES_PER_USER_MAX = 64;
/** Active consents of one user: each keeps three sealed shares and an entry in memory. */
export const ACTIVE_CONSENTS_PER_USER_MAX = 64;
/** Sequence numbers that wait in memory per consent; the rest is read again from the store. */
export const BACKLOG_MAX = 65_536;
/** Jobs in one answer: bounds the work of one request. */
export const JOBS_LIST_MAX = 1000;
/** Samples in one durable write: bounds how long a sample waits for others. */
export const COMMIT_MAX_SAMPLES = 1024;

/** Largest JSON body, bytes. */
export const JSON_BODY_MAX_BYTES = 4096;
/** Largest signed object other than a consent, bytes: signature, key and a small body. */
export const SIGNED_MAX_BYTES = 32_768;
/** Largest consent submission, bytes: the consent's ranges and three sealed shares. */
export const CONSENT_MAX_BYTES = 262_144;

/**
 * Uploads of ciphertexts go to files as they come, so that many at once fill no memory. Each names its
 * length first: one of a gigabyte is refused before a byte of it is read.
 *
 * At once, of all users: bounds open files. When all are taken, the one that came slowest makes room,
 * so that slow ones cannot lock the others out.
 */
export const UPLOADS_MAX = 64;
/** Of one user: one account cannot take every place. */
export const UPLOADS_PER_USER_MAX = 4;
/** An upload of which nothing has come for this long is cut off, ms: stops clients that dribble. */
export const UPLOAD_IDLE_MS = 5_000;
/**
 * An upload has this long, ms, and a second more for each {@link UPLOAD_MIN_RATE} bytes of its length:
 * stops clients that dribble just fast enough. The largest is through before `requestTimeoutMs`.
 */
export const UPLOAD_GRACE_MS = 5_000;
export const UPLOAD_MIN_RATE = 524_288;
