import { useEffect, useId, useState, type KeyboardEvent } from "react";
import { isAbort } from "../api/client";
import { findItems } from "../api/routes";
import type { CatalogueItem, HistoryItem } from "../api/types";

interface Props {
  noun: string;
  onAdd: (item: HistoryItem) => void;
}

const WAIT_MS = 150;

/** Finds items by a part of their title and adds the chosen one. */
export function ItemSearch({ noun, onAdd }: Props) {
  const id = useId();
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<CatalogueItem[]>([]);
  const [active, setActive] = useState(0);
  useEffect(() => {
    setActive(0);
    if (query.trim() === "") {
      setFound([]);
      return undefined;
    }
    const controller = new AbortController();
    const timer = window.setTimeout(() => {
      findItems(query.trim(), 8, controller.signal).then(
        (page) => setFound(page.items),
        (error: unknown) => {
          if (!isAbort(error)) setFound([]);
        },
      );
    }, WAIT_MS);
    return () => {
      window.clearTimeout(timer);
      controller.abort();
    };
  }, [query]);
  const add = (item: CatalogueItem | undefined) => {
    if (item === undefined) return;
    onAdd({ item_id: item.item_id, title: item.title });
    setQuery("");
  };
  const onKey = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step !== undefined) setActive(Math.max(0, Math.min(found.length - 1, active + step)));
    else if (event.key === "Enter") add(found[active]);
    else if (event.key === "Escape") setQuery("");
    else return;
    event.preventDefault();
  };
  const isOpen = found.length > 0;
  return (
    <div className="item-search">
      <input
        className="input"
        type="text"
        role="combobox"
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={isOpen ? `${id}-${active}` : undefined}
        aria-label={`Add to the history: find ${noun} by title`}
        placeholder={`Add ${noun} by title`}
        autoComplete="off"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={onKey}
      />
      <ul className={isOpen ? "found" : "found is-empty"} id={`${id}-list`} role="listbox" aria-label={`Found ${noun}`}>
        {found.map((item, place) => (
          <li
            key={item.item_id}
            id={`${id}-${place}`}
            role="option"
            aria-selected={place === active}
            className="found-item"
            onMouseEnter={() => setActive(place)}
            onClick={() => add(item)}
          >
            {item.title}
          </li>
        ))}
      </ul>
    </div>
  );
}
