import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { asServiceError, isAbort, type ServiceError } from "../api/client";
import { getHistory, itemsById, putHistory, type Who } from "../api/routes";
import type { HistoryItem } from "../api/types";

export interface Person {
  userId: string | null;
  /** What the service holds, oldest first; empty for nobody. */
  stored: HistoryItem[];
  /** What the person has seen as edited here; null: as stored. */
  edited: HistoryItem[] | null;
  history: HistoryItem[];
  who: Who;
  loading: boolean;
  problem: ServiceError | null;
  /** Turn to a stored user, or to nobody; with ids, to a history that is edited. */
  choose: (userId: string | null, history?: string[] | null) => void;
  edit: (history: HistoryItem[]) => void;
  revert: () => void;
  save: (userId: string) => Promise<void>;
}

async function named(ids: string[], known: HistoryItem[], signal: AbortSignal): Promise<HistoryItem[]> {
  const titles = new Map<string, string | null>(known.map((item) => [item.item_id, item.title]));
  const strangers = ids.filter((id) => !titles.has(id)).slice(0, 500);
  if (strangers.length > 0) {
    for (const item of (await itemsById(strangers, signal)).items) titles.set(item.item_id, item.title);
  }
  return ids.map((id) => ({ item_id: id, title: titles.get(id) ?? null }));
}

/** Who asks: a stored user or nobody, with a history that can be edited before it is stored. */
export function usePerson(firstUser: string | null, firstHistory: string[] | null): Person {
  const [userId, setUserId] = useState(firstUser);
  const [stored, setStored] = useState<HistoryItem[]>([]);
  const [edited, setEdited] = useState<HistoryItem[] | null>(
    firstHistory ? firstHistory.map((id) => ({ item_id: id, title: null })) : null,
  );
  const [loadedFor, setLoadedFor] = useState<string | null | undefined>(undefined);
  const [problem, setProblem] = useState<ServiceError | null>(null);
  const pending = useRef(firstHistory);
  const [round, setRound] = useState(0);

  useEffect(() => {
    const wanted = pending.current;
    pending.current = null;
    setProblem(null);
    const controller = new AbortController();
    const load = async () => {
      const known = userId === null ? [] : (await getHistory(userId, controller.signal)).history;
      setStored(known);
      if (!wanted) return;
      setEdited(await named(wanted, known, controller.signal));
    };
    load()
      .catch((error: unknown) => {
        if (!isAbort(error)) setProblem(asServiceError(error));
      })
      .finally(() => {
        if (!controller.signal.aborted) setLoadedFor(userId);
      });
    return () => controller.abort();
  }, [userId, round]);

  const choose = useCallback((next: string | null, history: string[] | null = null) => {
    pending.current = history;
    setEdited(history?.map((id) => ({ item_id: id, title: null })) ?? null);
    setStored([]);
    setUserId(next);
    setRound((number) => number + 1);
  }, []);

  const save = useCallback(
    async (name: string) => {
      setProblem(null);
      try {
        const answer = await putHistory(name, (edited ?? stored).map((item) => item.item_id));
        setStored(answer.history);
        setEdited(null);
        setUserId(name);
      } catch (error) {
        setProblem(asServiceError(error));
      }
    },
    [edited, stored],
  );

  const who = useMemo<Who>(() => {
    if (edited !== null) return { history: edited.map((item) => item.item_id) };
    return userId === null ? {} : { user_id: userId };
  }, [edited, userId]);

  return {
    userId,
    stored,
    edited,
    history: edited ?? stored,
    who,
    loading: loadedFor !== userId,
    problem,
    choose,
    edit: setEdited,
    revert: () => setEdited(null),
    save,
  };
}
