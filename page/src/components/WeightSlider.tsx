interface Props {
  label: string;
  weight: number;
  onChange: (weight: number) => void;
}

const MOST = 5;

/** A wish is a weight, in nats added to scores: less on the left, more on the right. */
export function WeightSlider({ label, weight, onChange }: Props) {
  return (
    <div className="weight">
      <div className="weight-ends" aria-hidden="true">
        <span>less</span>
        <span className="weight-value">{weight > 0 ? `+${weight}` : weight}</span>
        <span>more</span>
      </div>
      <input
        type="range"
        className="slider"
        min={-MOST}
        max={MOST}
        step={0.5}
        value={weight}
        aria-label={label}
        onChange={(event) => onChange(Number(event.target.value))}
      />
    </div>
  );
}
