const PATHS = {
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.2 3.2L13 5",
  up: "M8 12.5v-9M4 7.2l4-3.7 4 3.7",
  down: "M8 3.5v9M4 8.8l4 3.7 4-3.7",
  plus: "M8 3v10M3 8h10",
  send: "M3 8h9.5M8.5 4l4 4-4 4",
  stop: "M4.5 4.5h7v7h-7z",
  sun: "M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.1 1.1M11.9 11.9L13 13M3 13l1.1-1.1M11.9 4.1L13 3",
  moon: "M13 9.6A5.6 5.6 0 016.4 3a5.6 5.6 0 106.6 6.6z",
  auto: "M8 2.2a5.8 5.8 0 100 11.6M8 2.2a5.8 5.8 0 010 11.6M8 2.2v11.6",
  thumbUp: "M5 7.2L7.6 2c1 0 1.6.7 1.6 1.6v2.8h3.2c.8 0 1.4.7 1.2 1.5l-.9 4.2c-.1.6-.7 1-1.3 1H5M5 7.2v5.9H2.8V7.2z",
  thumbDown: "M5 8.8L7.6 14c1 0 1.6-.7 1.6-1.6V9.6h3.2c.8 0 1.4-.7 1.2-1.5l-.9-4.2c-.1-.6-.7-1-1.3-1H5M5 8.8V2.9H2.8v5.9z",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  code: "M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5",
  shield: "M8 1.8l5 1.9v4c0 3-2 5.3-5 6.5-3-1.2-5-3.5-5-6.5v-4z M5.8 8l1.6 1.6 2.9-3.1",
  user: "M8 8a2.8 2.8 0 100-5.6A2.8 2.8 0 008 8zM2.8 13.8c.5-2.4 2.6-3.8 5.2-3.8s4.7 1.4 5.2 3.8",
  undo: "M6 3L3 6l3 3M3 6h6.2a3.6 3.6 0 010 7.2H6",
  chevron: "M4 6.2l4 4 4-4",
  copy: "M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.1c.4 0 .7.3.7.7v6.1c0 .4-.3.7-.7.7H10M3.7 5.8h5.6c.4 0 .7.3.7.7v6c0 .4-.3.7-.7.7H3.7a.7.7 0 01-.7-.7v-6c0-.4.3-.7.7-.7z",
  grip: "M6 4h.01M10 4h.01M6 8h.01M10 8h.01M6 12h.01M10 12h.01",
  search: "M7 12A5 5 0 107 2a5 5 0 000 10zM10.8 10.8L14 14",
  alert: "M8 2.2l6 10.8H2zM8 6.5v3M8 11.2h.01",
  sliders: "M2 5h6M12 5h2M2 11h2M8 11h6M10 3.2v3.6M6 9.2v3.6",
} as const;

export type IconName = keyof typeof PATHS;

/** A small line drawing; it says nothing to a screen reader, the control around it does. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
