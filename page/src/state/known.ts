import { useEffect, useRef, useState } from "react";
import { itemsById } from "../api/routes";
import type { Request } from "../api/types";
import { isCap } from "../request/request";
import type { Titles } from "../request/wording";
import type { Person } from "./person";
import type { Session } from "./session";

/** Ids of items that a request names. */
function namedBy(request: Request): string[] {
  const items = request.controls.flatMap((one) => (isCap(one) ? [] : ((one.where["items"] as string[] | undefined) ?? [])));
  return [...items, ...request.exclude, ...request.prefer.flatMap((wish) => wish.like ?? [])];
}

/** Titles of everything seen so far; those of items that only the request names are asked for. */
export function useKnownTitles(session: Session, person: Person): Titles {
  const [titles, setTitles] = useState<Titles>(new Map());
  const asked = useRef(new Set<string>());
  const { shown, request } = session;
  const { history } = person;
  useEffect(() => {
    const found: [string, string][] = (shown?.items ?? []).map((item) => [item.item_id, item.title]);
    for (const item of history) if (item.title !== null) found.push([item.item_id, item.title]);
    setTitles((before) => new Map([...before, ...found]));
  }, [shown, history]);
  useEffect(() => {
    const strangers = namedBy(request).filter((id) => !titles.has(id) && !asked.current.has(id)).slice(0, 100);
    if (strangers.length === 0) return;
    for (const id of strangers) asked.current.add(id);
    itemsById(strangers).then(
      (page) => setTitles((before) => new Map([...before, ...page.items.map((item) => [item.item_id, item.title] as const)])),
      () => undefined, // ids are shown instead
    );
  }, [request, titles]);
  return titles;
}
