export interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Areas in proportion to their weights, as nearly square as may be (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).
 * They come in the order of the weights, which have to be positive and the largest first.
 */
export function squarify(weights: readonly number[], within: Area): Area[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scale = total > 0 ? (within.width * within.height) / total : 0;
  const sizes = weights.map((weight) => weight * scale);
  const areas: Area[] = [];
  let left = within;
  for (let from = 0; from < sizes.length; ) {
    const side = Math.min(left.width, left.height);
    let to = from + 1;
    while (
      to < sizes.length &&
      worst(sizes.slice(from, to + 1), side) <= worst(sizes.slice(from, to), side)
    )
      to += 1;
    const row = sizes.slice(from, to);
    areas.push(...layRow(row, left));
    left = rest(row, left);
    from = to;
  }
  return areas;
}

/** The aspect of the least square one, if they share a side. */
function worst(row: readonly number[], side: number): number {
  const sum = row.reduce((total, size) => total + size, 0);
  const [largest, smallest] = [Math.max(...row), Math.min(...row)];
  return Math.max((side * side * largest) / (sum * sum), (sum * sum) / (side * side * smallest));
}

function layRow(row: readonly number[], { x, y, width, height }: Area): Area[] {
  const sum = row.reduce((total, size) => total + size, 0);
  let at = 0;
  return row.map((size) => {
    const share = sum > 0 ? size / sum : 0;
    const area =
      width >= height
        ? { x, y: y + at * height, width: sum / height, height: share * height }
        : { x: x + at * width, y, width: share * width, height: sum / width };
    at += share;
    return area;
  });
}

function rest(row: readonly number[], { x, y, width, height }: Area): Area {
  const sum = row.reduce((total, size) => total + size, 0);
  if (width >= height) {
    const taken = sum / height;
    return { x: x + taken, y, width: Math.max(0, width - taken), height };
  }
  const taken = sum / width;
  return { x, y: y + taken, width, height: Math.max(0, height - taken) };
}
