/** The one of the sixteen colours of the stylesheet that comes nearest to one of 256. */
export function colourOf256(index: number): number {
  if (!(index >= 0 && index <= 255)) return 7;
  if (index < 16) return index;
  if (index >= 232) return grey(8 + (index - 232) * 10);
  const n = index - 16;
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  return colourOfRgb(level(Math.floor(n / 36)), level(Math.floor(n / 6) % 6), level(n % 6));
}

/** The same of true colour, by hue and brightness; each of the three is 0 to 255. */
export function colourOfRgb(r: number, g: number, b: number): number {
  const top = Math.max(r, g, b);
  const low = Math.min(r, g, b);
  if (top - low <= top / 5 || top < 50) return grey((r + g + b) / 3);
  const middle = (top + low) / 2;
  const bits = (r > middle ? 1 : 0) + (g > middle ? 2 : 0) + (b > middle ? 4 : 0);
  return bits + (top > 190 ? 8 : 0);
}

function grey(level: number): number {
  if (level < 50) return 0;
  if (level < 150) return 8;
  return level < 220 ? 7 : 15;
}
