import { useSyncExternalStore } from "react";

const query = window.matchMedia("(min-width: 1080px)");

function subscribe(onChange: () => void): () => void {
  query.addEventListener("change", onChange);
  return () => query.removeEventListener("change", onChange);
}

/** Whether the window has room for the controls beside the list. */
export function useWide(): boolean {
  return useSyncExternalStore(subscribe, () => query.matches);
}
