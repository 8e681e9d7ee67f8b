import { createContext, useContext } from "react";
import type { Titles } from "../request/wording";

/** Titles by item id, of everything that was seen on the page so far. */
export const TitlesContext = createContext<Titles>(new Map());

export function useTitles(): Titles {
  return useContext(TitlesContext);
}
