/** The account of a fleet's run, for people. */
import type { FleetReport } from './fleet.ts';

export function printFleet(report: FleetReport, print: (line: string) => void): void {
  const { link, findings, violations } = report;
  const row = (name: string, value: number, note = '') =>
    print(`${name.padEnd(24)}${String(value).padStart(9)}${note && `   ${note}`}`);
  print('');
  row('boards', report.boards);
  row('heartbeats', report.beats, `${(report.beats / report.seconds).toFixed(0)} per second`);
  row('  acknowledged', report.acknowledged);
  row('  missed', report.missed, 'the board was off or starting');
  row('  refused', report.refused, 'the queue was full');
  row('  rejected', report.rejected, `of which ${findings.givenUp} for a link that kept breaking`);
  row('  lost', report.lost, 'in memory, unacknowledged, when the power failed');
  row('  pending', report.pending);
  row('samples sent', link.sent, `${link.resent} of them again`);
  row('reconnects', report.reconnects);
  row('reboots', report.reboots);
  row('power cuts', report.powerCuts, `${report.tornWrites} writes torn`);
  row('link drops', link.drops);
  row('link delays', link.delays);
  row('packets duplicated', link.duplicates);
  row('packets reordered', link.reorders);
  row('packets corrupted', link.corruptions);
  print('');
  row('in the store, intact', findings.intact, 'each opens to its heartbeat and time');
  row('in the store, corrupted', findings.corrupted, 'none opens');
  row('  acknowledged as such', findings.corruptedAcknowledged, 'only TLS could tell');
  row('in the store before', findings.earlier);
  print('');
  const broken = Object.entries<number>({ ...violations }).filter(([, count]) => count > 0);
  for (const [name, count] of broken) row(`VIOLATED: ${name}`, count);
  if (report.holds) print('Every acknowledged heartbeat is in the store exactly once.');
}
