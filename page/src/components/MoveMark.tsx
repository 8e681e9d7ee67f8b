import type { Move } from "../request/moves";
import { Icon } from "./Icon";

/** How an item moved since the last list. */
export function MoveMark({ move, absent = "new" }: { move: Move; absent?: string }) {
  if (move.kind === "first") return null;
  if (move.kind === "new") return <span className="move move-new">{absent}</span>;
  if (move.kind === "still") {
    return (
      <span className="move move-still" title="The same place">
        <span aria-hidden="true">–</span>
        <span className="sr-only">same place</span>
      </span>
    );
  }
  const isUp = move.by > 0;
  const places = Math.abs(move.by);
  return (
    <span className={isUp ? "move move-up" : "move move-down"} title={`${places} ${isUp ? "up" : "down"}`}>
      <Icon name={isUp ? "up" : "down"} />
      <span aria-hidden="true">{places}</span>
      <span className="sr-only">
        {places} {isUp ? "up" : "down"}
      </span>
    </span>
  );
}
