import { useState } from "react";
import type { Who } from "../api/routes";
import type { Request } from "../api/types";
import { SNIPPETS, type SnippetName } from "../request/snippets";
import { CopyButton } from "./CopyButton";
import { Modal } from "./Modal";

interface Props {
  request: Request;
  who: Who;
  model: string;
  onClose: () => void;
}

/** The same question for a shell, for Python and for OpenAI's client. */
export function CopyDialog({ request, who, model, onClose }: Props) {
  const names = Object.keys(SNIPPETS) as SnippetName[];
  const [name, setName] = useState<SnippetName>("curl");
  const text = SNIPPETS[name]({ origin: window.location.origin, request, who, model });
  return (
    <Modal title="Ask the same from elsewhere" onClose={onClose}>
      <div className="segments" role="group" aria-label="Language">
        {names.map((one) => (
          <button key={one} type="button" className="segment" aria-pressed={one === name} onClick={() => setName(one)}>
            {one}
          </button>
        ))}
      </div>
      <pre className="code" tabIndex={0} aria-label={`${name} example`}>
        <code>{text}</code>
      </pre>
      <div className="modal-tools">
        <CopyButton text={text} />
        <span className="hint">A key, where one is needed, is read from STEEREC_KEY.</span>
      </div>
    </Modal>
  );
}
