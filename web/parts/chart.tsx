/** Lines over time, drawn by uPlot in the colours of the page. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Series } from '../../src/monitor/shapes.js';
import { countText } from '../model/text.js';

export type Line = 'produced' | 'delivered' | 'rpc' | 'backlogCount';

const NAMES: Readonly<Record<Line, string>> = {
  produced: 'in/s',
  delivered: 'out/s',
  rpc: 'RPC/s',
  backlogCount: 'backlog',
};
const HEIGHT = 180;

export interface ChartProps {
  readonly title: string;
  readonly series: Series;
  readonly lines: readonly Line[];
}

export function Chart({ title, series, lines }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(element, lines), dataOf(series, lines), element);
    };
    draw();
    dark.addEventListener('change', draw);
    const resized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    resized.observe(element);
    return () => {
      dark.removeEventListener('change', draw);
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => {
    plot.current?.setData(dataOf(series, lines));
  }, [series]);

  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${lastOf(series, lines)}`} />
    </figure>
  );
}

function dataOf(series: Series, lines: readonly Line[]): uPlot.AlignedData {
  const times = series.produced.map((_, i) => (series.firstAtMs + i * series.stepMs) / 1000);
  return [times, ...lines.map((line) => [...series[line]])];
}

function lastOf(series: Series, lines: readonly Line[]): string {
  return lines.map((line) => `${NAMES[line]} ${countText(series[line].at(-1) ?? 0)}`).join(', ');
}

function optionsOf(element: HTMLElement, lines: readonly Line[]): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [axis, { ...axis, size: 60, values: (_plot, ticks) => ticks.map(countText) }],
    series: [
      {},
      ...lines.map((line, i) => ({
        label: NAMES[line],
        stroke: colour(`--line-${i + 1}`),
        width: 1.5,
        points: { show: false },
        value: (_plot: uPlot, value: number | null) => (value === null ? '–' : countText(value)),
      })),
    ],
  };
}
