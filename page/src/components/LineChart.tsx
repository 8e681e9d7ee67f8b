import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Curve } from "../api/types";

const HEIGHT = 150;

/** A colour as a canvas takes it: a token may hold one for light and one for dark. */
function colour(box: HTMLElement, name: string): string {
  box.style.color = `var(${name})`;
  const found = getComputedStyle(box).color;
  box.style.color = "";
  return found;
}

function draw(box: HTMLElement, curve: Curve): uPlot {
  const axis: uPlot.Axis = {
    stroke: colour(box, "--text-soft"),
    grid: { stroke: colour(box, "--line"), width: 1 },
    ticks: { show: false },
    font: "11px Inter, system-ui, sans-serif",
  };
  const steps = curve.points.map(([step]) => step);
  const values = curve.points.map(([, value]) => value);
  return new uPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: { x: { time: false } },
      axes: [
        { ...axis, size: 24 },
        { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => String(Number(tick.toPrecision(3)))) },
      ],
      series: [{}, { stroke: colour(box, "--accent"), width: 1.75, points: { show: values.length < 12, size: 6, fill: colour(box, "--accent") } }],
    },
    [steps, values],
    box,
  );
}

/** One curve over the steps of a training; drawn anew when the width or the colours change. */
export function LineChart({ curve }: { curve: Curve }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    let plot = draw(element, curve);
    const again = () => {
      plot.destroy();
      plot = draw(element, curve);
    };
    const sizes = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    const looks = new MutationObserver(again);
    looks.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", again);
    return () => {
      sizes.disconnect();
      looks.disconnect();
      scheme.removeEventListener("change", again);
      plot.destroy();
    };
  }, [curve]);
  const values = curve.points.map(([, value]) => value);
  const [first, last] = [values[0] ?? 0, values[values.length - 1] ?? 0];
  const said = `${curve.metric}: from ${first.toPrecision(3)} to ${last.toPrecision(3)} in ${values.length} points`;
  return (
    <figure className="chart">
      <figcaption>
        <span>{curve.metric}</span>
        <span className="control-value">{last.toPrecision(3)}</span>
      </figcaption>
      <div ref={box} role="img" aria-label={said} />
    </figure>
  );
}
