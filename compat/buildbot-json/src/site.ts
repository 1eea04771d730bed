/** Where people find the pages about what is told here. */
export class Site {
  /** With a slash at the end; `null` if there is none. */
  readonly url: string | null;

  constructor(webUrl: string | undefined) {
    this.url = webUrl === undefined ? null : webUrl.replace(/\/*$/, "/");
  }

  log(builder: string, build: number, step: string, log: string): string | null {
    if (this.url === null) return null;
    return `${this.url}builders/${encoded(builder)}/builds/${build}/steps/${encoded(step)}/logs/${encoded(log)}`;
  }
}

function encoded(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}
