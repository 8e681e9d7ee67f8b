import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import type { Line } from "../state/session";
import { ChatLine } from "./ChatLine";
import { Icon } from "./Icon";

interface Props {
  lines: Line[];
  noun: string;
  examples: string[];
  busy: boolean;
  onSay: (text: string) => void;
  onCancel: () => void;
  onBegin: () => void;
}

/** The conversation, and the field that goes on with it. */
export function Chat({ lines, noun, examples, busy, onSay, onCancel, onBegin }: Props) {
  const [text, setText] = useState("");
  const log = useRef<HTMLDivElement>(null);
  useEffect(() => {
    log.current?.scrollTo({ top: log.current.scrollHeight });
  }, [lines]);
  const send = () => {
    if (text.trim() === "") return;
    onSay(text.trim());
    setText("");
  };
  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  return (
    <section className="card chat" aria-label="Conversation">
      <div className="card-head">
        <h2>Conversation</h2>
        {lines.length > 0 && (
          <button type="button" className="button quiet small" onClick={onBegin}>
            Start over
          </button>
        )}
      </div>
      <div className="chat-log" ref={log} role="log" aria-live="polite" aria-label="What was said" tabIndex={0}>
        {lines.length === 0 ? (
          <div className="chat-empty">
            <p>Say what you want, in your own words. Every list obeys what was understood.</p>
            <ul className="examples" aria-label="Examples">
              {examples.map((example) => (
                <li key={example}>
                  <button type="button" className="example" onClick={() => onSay(example)}>
                    {example}
                  </button>
                </li>
              ))}
            </ul>
          </div>
        ) : (
          lines.map((line, place) => (
            <ChatLine key={line.id} line={line} noun={noun} waiting={busy && place === lines.length - 1} />
          ))
        )}
      </div>
      <form className="composer" onSubmit={submit}>
        <textarea
          id="say"
          className="composer-input"
          rows={2}
          value={text}
          placeholder={lines.length > 0 ? "Go on: “fewer dramas”, “not the third”, “make it five”" : `Ask for ${noun}`}
          aria-label="Say what you want"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKey}
        />
        <div className="composer-tools">
          <span className="hint" aria-hidden="true">
            <kbd>/</kbd> to type
          </span>
          {busy ? (
            <button type="button" className="button small" onClick={onCancel}>
              <Icon name="stop" />
              Cancel
            </button>
          ) : (
            <button type="submit" className="button primary small" disabled={text.trim() === ""}>
              Send
              <Icon name="send" />
            </button>
          )}
        </div>
      </form>
    </section>
  );
}
