// What goes over HTTP, as /openapi.json describes it. A test reads this file: every interface that names a
// schema must have exactly the fields of that schema.

export type Scalar = string | number;

export interface Condition {
  all_of?: Scalar[];
  ge?: Scalar;
  gt?: Scalar;
  le?: Scalar;
  lt?: Scalar;
  contains?: string;
  under?: string[];
  is_null?: boolean;
}

/** A set of items: columns by name, and the keys any, all, not, items. */
export interface Where {
  [key: string]: Scalar | Scalar[] | Condition | Where | Where[];
}

export type Share = number | string;

/** openapi: Control-Input */
export interface Control {
  where: Where;
  at_least?: number | "all" | null;
  at_most?: number | null;
  exactly?: number | "all" | null;
  share_at_least?: Share | null;
  share_at_most?: Share | null;
  share_more_than?: Share | null;
  share_less_than?: Share | null;
  share_about?: Share | null;
  within?: [number, number] | null;
}

/** openapi: Cap-Input */
export interface Cap {
  each: string;
  at_most?: number | null;
  share_at_most?: Share | null;
}

/** openapi: Wish-Input */
export interface Wish {
  where?: Where | null;
  like?: string[] | null;
  weight: number;
}

/** openapi: Request-Input */
export interface Request {
  count: number;
  controls: (Control | Cap)[];
  prefer: Wish[];
  candidates: string[] | null;
  exclude: string[];
  allow_seen: boolean;
  seed: number | null;
}

/** openapi: ControlResult */
export interface ControlResult {
  index: number;
  lower: number;
  upper: number;
  matched: number;
  null_items: string[];
  satisfied: boolean;
}

/** What proves that a list obeys; its schema over HTTP is open. */
export interface Certificate {
  schema: number;
  catalogue_sha256: string;
  request: Request;
  items: string[];
  controls: ControlResult[];
  seen_items: string[];
  fallback_from: string | null;
  unplaced: string[];
  broken_rules?: string[];
}

/** openapi: ListedItem */
export interface ListedItem {
  item_id: string;
  title: string;
  score: number;
  attributes: Record<string, unknown>;
}

/** openapi: Quote-Input */
export interface Quote {
  control: Control | Cap;
  words: string;
}

/** openapi: Turn-Input */
export interface Turn {
  said: string;
  did: string;
  unplaced: string[];
  reply: string | null;
  quotes: Quote[];
}

/** openapi: Conversation-Input */
export interface Conversation {
  standing: Request;
  last: string[];
  shown: string[];
  turns: Turn[];
}

/** openapi: RecommendAnswer */
export interface RecommendAnswer {
  request_id: string;
  model: string;
  items: ListedItem[];
  certificate: Certificate;
  understood: Understood;
  history_left_out: number;
  unavailable_excluded: number;
  catalogue_version: string;
  reasons: Reason[] | null;
}

/** openapi: ConversationAnswer */
export interface ConversationAnswer {
  request_id: string;
  model: string;
  conversation: Conversation;
  reply: string | null;
  items: ListedItem[];
  certificate: Certificate | null;
  understood: Understood | null;
  history_left_out: number;
  unavailable_excluded: number;
  catalogue_version: string;
}

/** openapi: Understood */
export interface Understood {
  request: Request;
  unplaced: string[];
}

/** openapi: Carrier */
export interface Carrier {
  item_id: string;
  title: string;
  fall: number;
}

/** openapi: Reason */
export interface Reason {
  item_id: string;
  place: number;
  rank: number | null;
  controls: number[];
  carriers: Carrier[];
  rank_without: number | null;
  sentence: string;
}

/** openapi: ReasonsAnswer */
export interface ReasonsAnswer {
  reasons: Reason[];
}

/** openapi: FeedbackAnswer */
export interface FeedbackAnswer {
  feedback_id: string;
  pairs: number;
}

/** openapi: ColumnAnswer */
export interface Column {
  name: string;
  type: string;
  values: string[] | null;
  num_values: number | null;
  paths: string[][] | null;
  least: number | string | null;
  greatest: number | string | null;
}

/** openapi: SchemaAnswer */
export interface Schema {
  noun: string;
  num_items: number;
  columns: Column[];
  catalogue_version: string;
}

/** openapi: CatalogueItem */
export interface CatalogueItem {
  item_id: string;
  title: string;
  available: boolean;
  attributes: Record<string, unknown>;
}

/** openapi: ItemsAnswer */
export interface ItemsAnswer {
  items: CatalogueItem[];
  total: number;
  catalogue_version: string;
}

/** openapi: HistoryItem */
export interface HistoryItem {
  item_id: string;
  title: string | null;
}

/** openapi: HistoryAnswer */
export interface HistoryAnswer {
  user_id: string;
  history: HistoryItem[];
}

/** openapi: UsersAnswer */
export interface UsersAnswer {
  users: string[];
  next: string | null;
}

/** A bound that the nearest satisfiable request moves. */
export interface Change {
  control: number;
  bound: "lower" | "upper" | "limit";
  old: number;
  new: number;
}

export interface Relaxation {
  changes: Change[];
  total_slack: number;
  largest_count: number | null;
}

export interface Conflict {
  controls: number[];
  names: string[];
  slack: number;
  /** Words that each of `controls` came from, as they were said; null where it came from none. */
  quotes: (string | null)[];
}

/** openapi: ErrorDetail */
export interface ErrorDetail {
  type: string;
  message: string;
  advice: string;
  request_id: string;
}

/** An error with what refusals add. */
export interface Failure extends ErrorDetail {
  conflict?: Conflict;
  relaxation?: Relaxation;
  conversation?: Conversation;
}

/** openapi: Compared */
export interface Compared {
  kind: "popularity" | "teacher" | "before" | "served";
  row: string;
  items: ListedItem[];
  certificate: Certificate;
  metrics: Record<string, number>;
}

/** openapi: CompareAnswer */
export interface CompareAnswer {
  columns: Compared[];
  catalogue_version: string;
}

/** openapi: Metric */
export interface Metric {
  mean: number;
  low: number;
  high: number;
  n: number;
}

/** openapi: Row */
export interface ReportRow {
  name: string;
  split: "valid" | "test";
  seeds: number[];
  metrics: Record<string, Metric>;
  per_seed: Record<string, number[]>;
  seconds: number | null;
}

/** openapi: Comparison */
export interface Comparison {
  row: string;
  reference: string;
  metric: string;
  difference: Metric;
}

/** openapi: Facts */
export interface Facts {
  dataset: string;
  split: string;
  split_hash: string;
  history_policy: string;
  tie_rule: string;
  num_users: number;
  num_items: number;
  num_interactions: number;
  num_points: number;
  num_requests: number;
  target_admissible: number | null;
  target_in_input: number;
  looks: number;
  hardware: string;
  date: string;
  commit: string | null;
  command: string;
}

/** openapi: Curve */
export interface Curve {
  stage: string;
  metric: string;
  points: [number, number][];
}

/** openapi: RunAnswer */
export interface RunAnswer {
  name: string;
  facts: Facts | null;
  rows: ReportRow[];
  comparisons: Comparison[];
  curves: Curve[];
}

/** openapi: FailureShare */
export interface FailureShare {
  kind: string;
  asked: number;
  failed: number;
}

/** openapi: FailedRequest */
export interface FailedRequest {
  request_id: string;
  kind: string;
  sentence: string;
  request: Request;
  user_id: string;
}

/** openapi: FailuresAnswer */
export interface FailuresAnswer {
  row: string;
  kinds: FailureShare[];
  requests: FailedRequest[];
}
