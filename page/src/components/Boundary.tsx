import { Component, type ReactNode } from "react";

interface State {
  error: Error | null;
}

/** Where the page itself fails, it says so instead of going blank; the address still holds the request. */
export class Boundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <main className="gate">
        <div className="card gate-card" role="alert">
          <h1>The page failed</h1>
          <p className="muted">{error.message}</p>
          <button type="button" className="button primary" onClick={() => window.location.reload()}>
            Load it again
          </button>
        </div>
      </main>
    );
  }
}
