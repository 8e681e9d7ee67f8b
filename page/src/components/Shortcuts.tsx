import { useState } from "react";
import { areShortcutsOn, setShortcuts } from "../state/keyboard";
import { Modal } from "./Modal";
import { Switch } from "./Switch";

const KEYS: [string[], string][] = [
  [["/"], "Type what you want"],
  [["Enter"], "Send it"],
  [["Esc"], "Cancel what runs, close what is open"],
  [["j", "k"], "Next and previous item of the list"],
  [["u", "d"], "Good, bad: the item in focus"],
  [["1", "2", "3", "4"], "Recommend, Compare, People, Dashboard"],
  [["?"], "These keys"],
];

export function Shortcuts({ onClose }: { onClose: () => void }) {
  const [on, setOn] = useState(areShortcutsOn);
  return (
    <Modal title="Keyboard" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Switch
        label="Single keys"
        checked={on}
        onChange={(next) => {
          setShortcuts(next);
          setOn(next);
        }}
      />
    </Modal>
  );
}
