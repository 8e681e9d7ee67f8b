import { useId } from "react";

interface Props {
  label: string;
  least: number;
  greatest: number;
  step?: number;
  lower: number;
  upper: number;
  onChange: (lower: number, upper: number) => void;
  names?: [string, string];
}

/** One track, two thumbs: the least and the most. Each is a plain slider for the keyboard. */
export function DualSlider({ label, least, greatest, step = 1, lower, upper, onChange, names }: Props) {
  const id = useId();
  const [lowName, highName] = names ?? ["at least", "at most"];
  const share = (value: number) => (greatest === least ? 0 : (100 * (value - least)) / (greatest - least));
  const low = Math.max(least, Math.min(lower, greatest));
  const high = Math.max(low, Math.min(upper, greatest));
  return (
    <div className="dual" role="group" aria-label={label}>
      <div className="dual-track" />
      <div className="dual-fill" style={{ left: `${share(low)}%`, right: `${100 - share(high)}%` }} />
      <input
        id={`${id}-low`}
        type="range"
        min={least}
        max={greatest}
        step={step}
        value={low}
        className={low > least + (greatest - least) / 2 ? "dual-input on-top" : "dual-input"}
        aria-label={`${label}: ${lowName}`}
        onChange={(event) => onChange(Math.min(Number(event.target.value), high), high)}
      />
      <input
        id={`${id}-high`}
        type="range"
        min={least}
        max={greatest}
        step={step}
        value={high}
        className="dual-input"
        aria-label={`${label}: ${highName}`}
        onChange={(event) => onChange(low, Math.max(Number(event.target.value), low))}
      />
    </div>
  );
}
