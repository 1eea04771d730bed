declare module "picomatch" {
  interface Options {
    dot?: boolean;
    nonegate?: boolean;
    noextglob?: boolean;
    regex?: boolean;
    posix?: boolean;
    windows?: boolean;
    maxLength?: number;
  }
  export default function picomatch(pattern: string, options?: Options): (text: string) => boolean;
}
