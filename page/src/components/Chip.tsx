import { useState, type ReactNode } from "react";
import { Icon } from "./Icon";
import { Popover } from "./Popover";

interface Props {
  text: string;
  /** What is edited when the chip is pressed; without it the chip can only be removed. */
  editor?: ReactNode;
  onRemove?: () => void;
  removeName?: string;
  tone?: "plain" | "conflict" | "wish" | "unplaced";
  /** The words that asked for it; null where it came from no words. */
  said?: string | null;
}

/** Something that was understood: press it to edit, or remove it. */
export function Chip({ text, editor, onRemove, removeName, tone = "plain", said = null }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <li className={`chip chip-${tone}`}>
      {editor === undefined ? (
        <span className="chip-text">{text}</span>
      ) : (
        <button type="button" className="chip-text chip-edit" aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)}>
          {text}
        </button>
      )}
      {onRemove !== undefined && (
        <button type="button" className="chip-remove" aria-label={removeName ?? `Remove: ${text}`} onClick={onRemove}>
          <Icon name="close" />
        </button>
      )}
      {open && (
        <Popover label={`Edit: ${text}`} onClose={() => setOpen(false)}>
          {said !== null && (
            <p className="chip-said">
              You said <q>{said}</q>
            </p>
          )}
          {editor}
        </Popover>
      )}
    </li>
  );
}
