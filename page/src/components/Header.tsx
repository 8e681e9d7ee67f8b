import mark from "../mark.svg";
import type { View } from "../state/address";
import { VIEWS } from "../state/address";
import { Icon } from "./Icon";
import { ThemeToggle } from "./ThemeToggle";

const NAMES: Record<View, string> = {
  recommend: "Recommend",
  compare: "Compare",
  people: "People",
  run: "Dashboard",
};

interface Props {
  view: View;
  model: string | null;
  hrefOf: (view: View) => string;
  onShortcuts: () => void;
}

/** Name of the run, the views, and how the page looks. */
export function Header({ view, model, hrefOf, onShortcuts }: Props) {
  return (
    <header className="header">
      <a className="brand" href={hrefOf("recommend")}>
        <img src={mark} width="22" height="22" alt="" />
        <span>steerec</span>
        {model !== null && <span className="brand-run">{model}</span>}
      </a>
      <nav className="tabs" aria-label="Views">
        {VIEWS.map((one) => (
          <a key={one} href={hrefOf(one)} className="tab" aria-current={one === view ? "page" : undefined}>
            {NAMES[one]}
          </a>
        ))}
      </nav>
      <div className="header-tools">
        <button type="button" className="button quiet icon-only shortcuts-button" aria-label="Keyboard shortcuts" onClick={onShortcuts}>
          <kbd aria-hidden="true">?</kbd>
        </button>
        <a className="button quiet api-link" href="/openapi.json" target="_blank" rel="noreferrer">
          <Icon name="code" />
          API
        </a>
        <ThemeToggle />
      </div>
    </header>
  );
}
