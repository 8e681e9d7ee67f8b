import type { Control } from "../api/types";
import { boundsOf, lengthOf, withBounds, type Bounds } from "../request/bounds";
import { DualSlider } from "./DualSlider";
import { NumberField } from "./NumberField";

interface Props {
  control: Control;
  count: number;
  name: string;
  onChange: (control: Control) => void;
}

/** How many items of the list must and may be of a set: a slider with two ends, and numbers. */
export function BoundsEditor({ control, count, name, onChange }: Props) {
  const k = lengthOf(control, count);
  const { lower, upper } = boundsOf(control, count);
  const set = (bounds: Bounds) => onChange(withBounds(control, bounds, count));
  return (
    <div className="bounds-editor">
      <DualSlider
        label={name}
        least={0}
        greatest={k}
        lower={lower}
        upper={upper}
        onChange={(low, high) => set({ lower: low, upper: high })}
      />
      <div className="bounds-numbers">
        <NumberField label="At least" value={Math.min(lower, k)} least={0} greatest={k} onChange={(low) => set({ lower: low, upper: Math.max(low, upper) })} />
        <NumberField label="At most" value={upper} least={0} greatest={k} onChange={(high) => set({ lower: Math.min(lower, high), upper: high })} />
      </div>
      <div className="presets">
        <button type="button" className="button small" onClick={() => set({ lower: k, upper: k })}>
          Only
        </button>
        <button type="button" className="button small" onClick={() => set({ lower: Math.ceil(k / 2), upper: k })}>
          Half or more
        </button>
        <button type="button" className="button small" onClick={() => set({ lower: 0, upper: 0 })}>
          None
        </button>
      </div>
    </div>
  );
}
