/** How far one step of a slider goes: whole numbers where the ends are, about a hundred steps elsewhere. */
export function stepOf(least: number, greatest: number): number {
  const span = greatest - least;
  const isWhole = Number.isInteger(least) && Number.isInteger(greatest);
  if (span <= 0 || (isWhole && span >= 5 && span <= 1000)) return 1;
  const step = 10 ** Math.floor(Math.log10(span / 100));
  return isWhole && span > 1000 ? Math.max(1, step) : step;
}

/** A number as a slider shows it, without the noise of binary fractions. */
export function rounded(value: number, step: number): number {
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  return Number(value.toFixed(decimals));
}
