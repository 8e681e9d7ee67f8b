import { useEffect, useRef, type ReactNode } from "react";

interface Props {
  label: string;
  onClose: () => void;
  children: ReactNode;
}

const MARGIN = 12;
const FOCUSABLE = "input, select, button, a[href], textarea";

/** A small panel under what opened it; Escape or a click elsewhere closes it and the focus goes back. */
export function Popover({ label, onClose, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const opener = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    const over = (box.current?.getBoundingClientRect().right ?? 0) - document.documentElement.clientWidth + MARGIN;
    if (over > 0) box.current?.style.setProperty("translate", `${-over}px`);
    box.current?.querySelector<HTMLElement>(FOCUSABLE)?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close.current();
    };
    const onPress = (event: PointerEvent) => {
      const inside = event.target instanceof Node && box.current?.parentElement?.contains(event.target);
      if (!inside) close.current();
    };
    document.addEventListener("keydown", onKey, true);
    document.addEventListener("pointerdown", onPress);
    return () => {
      document.removeEventListener("keydown", onKey, true);
      document.removeEventListener("pointerdown", onPress);
      if (opener?.isConnected) opener.focus();
    };
  }, []);
  return (
    <div className="popover" role="dialog" aria-label={label} ref={box}>
      {children}
    </div>
  );
}
