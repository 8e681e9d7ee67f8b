import type { Metric, ReportRow } from "../api/types";

export const ACCURACY = "ndcg@10";
export const OBEDIENCE = "control_satisfaction@k";
const KIND = `${OBEDIENCE}:kind:`;

/** A number of the report; none where it could not be computed, which JSON writes as null. */
export function metricOf(row: ReportRow, name: string): Metric | undefined {
  const metric = row.metrics[name];
  return metric !== undefined && Number.isFinite(metric.mean) ? metric : undefined;
}

export function percent(value: number): string {
  return `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
}

/** Half of an interval, as people write it behind the mean. */
export function halfWidth(metric: Metric): number {
  return (metric.high - metric.low) / 2;
}

/** Obedience by kind of control, in phrasings that were trained on. */
export function byKind(row: ReportRow): [string, Metric][] {
  return Object.entries(row.metrics)
    .filter(([name]) => name.startsWith(KIND) && !name.endsWith(":unseen") && !name.includes(","))
    .filter(([, metric]) => Number.isFinite(metric.mean))
    .map(([name, metric]): [string, Metric] => [name.slice(KIND.length).replaceAll("_", " "), metric])
    .sort(([, one], [, other]) => one.mean - other.mean);
}
