import { useEffect, useState } from "react";

interface Props {
  label: string;
  value: number;
  least: number;
  greatest: number;
  onChange: (value: number) => void;
}

/** A whole number that is taken over as soon as it is one within its ends. */
export function NumberField({ label, value, least, greatest, onChange }: Props) {
  const [text, setText] = useState(String(value));
  useEffect(() => setText(String(value)), [value]);
  const take = (typed: string) => {
    setText(typed);
    const number = Number(typed);
    if (typed.trim() !== "" && Number.isInteger(number) && number >= least && number <= greatest) onChange(number);
  };
  return (
    <label className="number-field">
      <span className="label">{label}</span>
      <input
        className="input number"
        type="number"
        inputMode="numeric"
        min={least}
        max={greatest}
        value={text}
        onChange={(event) => take(event.target.value)}
        onBlur={() => setText(String(value))}
      />
    </label>
  );
}
