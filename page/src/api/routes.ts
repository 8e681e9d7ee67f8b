import { ask } from "./client";
import type {
  CompareAnswer,
  Conversation,
  ConversationAnswer,
  FailuresAnswer,
  FeedbackAnswer,
  HistoryAnswer,
  ItemsAnswer,
  ReasonsAnswer,
  RecommendAnswer,
  Request,
  RunAnswer,
  Schema,
  UsersAnswer,
} from "./types";

/** Who asks, as every route takes it. */
export interface Who {
  user_id?: string;
  history?: string[];
}

const path = encodeURIComponent;

export const getSchema = (signal?: AbortSignal) => ask<Schema>("/v1/items/schema", { signal });

export const recommend = (who: Who, request: Request, signal?: AbortSignal) =>
  ask<RecommendAnswer>("/v1/recommend", { method: "POST", body: { ...who, request }, signal });

export const converse = (who: Who, text: string, conversation: Conversation, signal?: AbortSignal) =>
  ask<ConversationAnswer>("/v1/conversation", {
    method: "POST",
    body: { ...who, text, conversation, repeat: true },
    signal,
  });

export const getReasons = (requestId: string, signal?: AbortSignal) =>
  ask<ReasonsAnswer>(`/v1/answers/${path(requestId)}/reasons`, { signal });

export const sendThumb = (requestId: string, itemId: string, thumb: "up" | "down") =>
  ask<FeedbackAnswer>("/v1/feedback", {
    method: "POST",
    body: { request_id: requestId, thumbs: { [itemId]: thumb } },
  });

export const findItems = (query: string, limit: number, signal?: AbortSignal) =>
  ask<ItemsAnswer>(`/v1/items?query=${path(query)}&limit=${limit}`, { signal });

export const itemsById = (ids: string[], signal?: AbortSignal) =>
  ask<ItemsAnswer>(`/v1/items?limit=500&${ids.map((id) => `item_id=${path(id)}`).join("&")}`, { signal });

export const getUsers = (after: string, signal?: AbortSignal) =>
  ask<UsersAnswer>(`/v1/users?after=${path(after)}&limit=100`, { signal });

export const getHistory = (userId: string, signal?: AbortSignal) =>
  ask<HistoryAnswer>(`/v1/users/${path(userId)}/history`, { signal });

export const putHistory = (userId: string, history: string[]) =>
  ask<HistoryAnswer>(`/v1/users/${path(userId)}/history`, { method: "PUT", body: { history } });

export const compare = (who: Who, request: Request, signal?: AbortSignal) =>
  ask<CompareAnswer>("/v1/compare", { method: "POST", body: { ...who, request }, signal });

export const getRun = (signal?: AbortSignal) => ask<RunAnswer>("/v1/run", { signal });

export const getFailures = (row: string, signal?: AbortSignal) =>
  ask<FailuresAnswer>(`/v1/run/failures?row=${path(row)}&limit=100`, { signal });
