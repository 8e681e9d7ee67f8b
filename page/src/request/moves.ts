/** How an item moved since the last list: places up (positive) or down, or new. */
export type Move = { kind: "new" } | { kind: "moved"; by: number } | { kind: "still" } | { kind: "first" };

export function moveOf(itemId: string, place: number, before: readonly string[] | null): Move {
  if (before === null) return { kind: "first" };
  const was = before.indexOf(itemId);
  if (was < 0) return { kind: "new" };
  const by = was - place;
  return by === 0 ? { kind: "still" } : { kind: "moved", by };
}
