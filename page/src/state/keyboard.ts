import { useEffect, useRef } from "react";
import type { View } from "./address";
import type { Actions, Session } from "./session";

const NAME = "steerec.shortcuts";

/** Single keys can be turned off, for people who speak to their machine. */
export function areShortcutsOn(): boolean {
  return localStorage.getItem(NAME) !== "off";
}

export function setShortcuts(on: boolean): void {
  if (on) localStorage.removeItem(NAME);
  else localStorage.setItem(NAME, "off");
}

interface Wiring {
  actions: Actions;
  session: Session;
  goTo: (view: View) => void;
  onHelp: () => void;
}

const VIEW_KEYS: Record<string, View> = { "1": "recommend", "2": "compare", "3": "people", "4": "run" };

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.matches("textarea, select, input:not([type=range]):not([type=checkbox])");
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>(".list .row")];
}

function step(by: number): void {
  const all = rows();
  const now = all.findIndex((row) => row.contains(document.activeElement));
  all[now < 0 ? 0 : Math.max(0, Math.min(all.length - 1, now + by))]?.focus();
}

/** Keys for everything that is done often. */
export function useKeyboard(wiring: Wiring): void {
  const latest = useRef(wiring);
  latest.current = wiring;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { actions, session, goTo, onHelp } = latest.current;
      if (event.key === "Escape" && session.busy) {
        actions.cancel();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !areShortcutsOn()) return;
      if (document.querySelector("dialog[open]")) return;
      const item = rows().find((row) => row.contains(document.activeElement))?.dataset["item"];
      const view = VIEW_KEYS[event.key];
      if (event.key === "/") document.getElementById("say")?.focus();
      else if (event.key === "?") onHelp();
      else if (event.key === "j") step(1);
      else if (event.key === "k") step(-1);
      else if (event.key === "u" && item !== undefined) actions.thumb(item, "up");
      else if (event.key === "d" && item !== undefined) actions.thumb(item, "down");
      else if (view !== undefined) goTo(view);
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}
