import { useCallback, useEffect, useReducer, useRef } from "react";
import { asServiceError, isAbort, type ServiceError } from "../api/client";
import { converse, getReasons, recommend, sendThumb, type Who } from "../api/routes";
import type {
  Certificate,
  Conversation,
  ConversationAnswer,
  ListedItem,
  Reason,
  RecommendAnswer,
  Request,
  Turn,
} from "../api/types";
import { EMPTY, same } from "../request/request";

/** A list as it is shown. */
export interface Shown {
  requestId: string;
  model: string;
  items: ListedItem[];
  certificate: Certificate;
  historyLeftOut: number;
  unavailableExcluded: number;
  catalogueVersion: string;
}

/** Return the list of an answer; its certificate is given apart because a turn in words has none. */
function shownOf(answer: RecommendAnswer | ConversationAnswer, certificate: Certificate): Shown {
  return {
    requestId: answer.request_id,
    model: answer.model,
    items: answer.items,
    certificate,
    historyLeftOut: answer.history_left_out,
    unavailableExcluded: answer.unavailable_excluded,
    catalogueVersion: answer.catalogue_version,
  };
}

/** A line of the conversation: words of the person, or an edit of the controls, and what came of it. */
export interface Line {
  id: number;
  kind: "said" | "edited";
  text: string;
  before: Request;
  after: Request | null;
  /** What the turn did, in the service's words, such as "went on". */
  did: string | null;
  unplaced: string[];
  reply: string | null;
  error: string | null;
}

export interface Session {
  /** The standing request: chat and controls are two views of it. */
  request: Request;
  /** The last one that had a list. */
  good: Request;
  shown: Shown | null;
  /** Item ids of the list before; null: there was none. */
  before: string[] | null;
  reasons: Reason[] | null;
  problem: ServiceError | null;
  busy: boolean;
  /** The list is of an earlier request, because the last one was cancelled. */
  stale: boolean;
  lines: Line[];
  /** Item ids of all lists since the conversation began. */
  past: string[];
  turns: Turn[];
  thumbs: Record<string, "up" | "down">;
}

type Action =
  | { type: "edit"; request: Request }
  | { type: "say"; text: string }
  | { type: "start" }
  | { type: "list"; shown: Shown; request: Request; past: string[] | null; turns: Turn[] | null; fresh: boolean }
  | { type: "reply"; reply: string; turns: Turn[] }
  | { type: "reasons"; requestId: string; reasons: Reason[] }
  | { type: "fail"; error: ServiceError; conversation: Conversation | null }
  | { type: "cancel" }
  | { type: "thumb"; itemId: string; thumb: "up" | "down" }
  | { type: "begin" };

function first(request: Request): Session {
  return {
    request,
    good: request,
    shown: null,
    before: null,
    reasons: null,
    problem: null,
    busy: false,
    stale: false,
    lines: [],
    past: [],
    turns: [],
    thumbs: {},
  };
}

function withLast(lines: Line[], change: Partial<Line>): Line[] {
  return lines.map((line, place) => (place === lines.length - 1 ? { ...line, ...change } : line));
}

function line(lines: Line[], kind: Line["kind"], text: string, before: Request): Line {
  return { id: lines.length, kind, text, before, after: null, did: null, unplaced: [], reply: null, error: null };
}

function edited(session: Session, request: Request): Session {
  const last = session.lines[session.lines.length - 1];
  const lines =
    last?.kind === "edited"
      ? withLast(session.lines, { after: request, error: null })
      : [...session.lines, { ...line(session.lines, "edited", "", session.request), after: request }];
  return { ...session, request, lines };
}

function reduce(session: Session, action: Action): Session {
  switch (action.type) {
    case "edit":
      return edited(session, action.request);
    case "say":
      return { ...session, lines: [...session.lines, line(session.lines, "said", action.text, session.request)] };
    case "start":
      return { ...session, busy: true, problem: null, stale: false };
    case "list": {
      const turn = action.turns?.[action.turns.length - 1];
      const lines = turn
        ? withLast(session.lines, { after: action.request, did: turn.did, unplaced: turn.unplaced })
        : session.lines;
      return {
        ...session,
        request: action.request,
        good: action.request,
        shown: action.shown,
        before: action.fresh ? null : (session.shown?.items.map((item) => item.item_id) ?? null),
        reasons: null,
        busy: false,
        lines,
        past: action.past ?? session.past,
        turns: action.turns ?? session.turns,
        thumbs: {},
      };
    }
    case "reply":
      return { ...session, busy: false, turns: action.turns, lines: withLast(session.lines, { reply: action.reply }) };
    case "reasons":
      return session.shown?.requestId === action.requestId ? { ...session, reasons: action.reasons } : session;
    case "fail":
      return {
        ...session,
        busy: false,
        problem: action.error,
        request: action.conversation?.standing ?? session.request,
        turns: action.conversation?.turns ?? session.turns,
        lines: withLast(session.lines, {
          error: action.error.failure.type === "infeasible_request" ? REFUSED : action.error.message,
          ...(action.conversation ? { after: action.conversation.standing } : {}),
        }),
      };
    case "cancel": {
      const last = session.lines[session.lines.length - 1];
      const isOpen = last?.kind === "said" && last.after === null && last.reply === null;
      const lines = isOpen ? withLast(session.lines, { error: "Cancelled." }) : session.lines;
      return { ...session, lines, busy: false, stale: !same(session.request, session.good) };
    }
    case "thumb":
      return { ...session, thumbs: { ...session.thumbs, [action.itemId]: action.thumb } };
    case "begin":
      return { ...first(EMPTY), shown: session.shown };
  }
}

export interface Actions {
  say: (text: string) => void;
  /** Change the standing request by its controls; `wait` gathers the steps of a slider. */
  edit: (request: Request, wait?: boolean) => void;
  again: () => void;
  cancel: () => void;
  undo: () => void;
  begin: () => void;
  thumb: (itemId: string, thumb: "up" | "down") => void;
}

const SETTLES_MS = 250;
const REFUSED = "No list can do all of that.";

/** The conversation about one standing request, with its newest list. */
export function useSession(
  who: Who,
  owner: string | null,
  ready: boolean,
  start: Request | null,
): [Session, Actions] {
  const [session, dispatch] = useReducer(reduce, start ?? EMPTY, first);
  const latest = useRef(session);
  latest.current = session;
  const running = useRef<AbortController | null>(null);
  const timer = useRef<number | undefined>(undefined);
  const asker = useRef({ who, owner });
  const shownFor = useRef<string | null | undefined>(undefined);

  const work = useCallback(async (task: (signal: AbortSignal) => Promise<string | null>) => {
    window.clearTimeout(timer.current);
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    dispatch({ type: "start" });
    try {
      const requestId = await task(controller.signal);
      if (requestId === null) return;
      const { reasons } = await getReasons(requestId, controller.signal);
      dispatch({ type: "reasons", requestId, reasons });
    } catch (error) {
      if (isAbort(error) || running.current !== controller) return; // a newer question has taken its place
      const known = asServiceError(error);
      if (known.failure.type === "unknown_answer") return; // the list stays, only its reasons are gone
      dispatch({ type: "fail", error: known, conversation: known.failure.conversation ?? null });
    }
  }, []);

  const list = useCallback(
    (request: Request, startsAnew = false) =>
      work(async (signal) => {
        const asked = asker.current;
        const answer = await recommend(asked.who, request, signal);
        const fresh = startsAnew || shownFor.current !== asked.owner;
        shownFor.current = asked.owner;
        const past = [...new Set([...latest.current.past, ...answer.items.map((item) => item.item_id)])];
        dispatch({ type: "list", shown: shownOf(answer, answer.certificate), request, past, turns: null, fresh });
        return answer.request_id;
      }),
    [work],
  );

  const say = useCallback(
    (text: string) => {
      const { request, shown, past, turns } = latest.current;
      dispatch({ type: "say", text });
      const last = shown?.items.map((item) => item.item_id) ?? [];
      void work(async (signal) => {
        const conversation = { standing: request, last, shown: past, turns };
        const answer = await converse(asker.current.who, text, conversation, signal);
        const { standing, shown: seen, turns: taken } = answer.conversation;
        if (answer.reply !== null || answer.certificate === null) {
          dispatch({ type: "reply", reply: answer.reply ?? "", turns: taken });
          return null;
        }
        const made = shownOf(answer, answer.certificate);
        dispatch({ type: "list", shown: made, request: standing, past: seen, turns: taken, fresh: false });
        return answer.request_id;
      });
    },
    [work],
  );

  const edit = useCallback(
    (request: Request, wait = false) => {
      dispatch({ type: "edit", request });
      window.clearTimeout(timer.current);
      if (wait) timer.current = window.setTimeout(() => void list(request), SETTLES_MS);
      else void list(request);
    },
    [list],
  );

  useEffect(() => {
    if (!ready) return;
    asker.current = { who, owner };
    void list(latest.current.request);
  }, [who, owner, ready, list]);

  const actions: Actions = {
    say,
    edit,
    again: () => void list(latest.current.request),
    cancel: () => {
      window.clearTimeout(timer.current);
      running.current?.abort();
      dispatch({ type: "cancel" });
    },
    undo: () => edit(latest.current.good),
    begin: () => {
      dispatch({ type: "begin" });
      void list(EMPTY, true);
    },
    thumb: (itemId, thumb) => {
      const { shown } = latest.current;
      if (!shown) return;
      sendThumb(shown.requestId, itemId, thumb).then(
        () => dispatch({ type: "thumb", itemId, thumb }),
        (error: unknown) => dispatch({ type: "fail", error: asServiceError(error), conversation: null }),
      );
    },
  };
  return [session, actions];
}
