/** What this installation calls itself. Read it when it is needed: a reload may change the title. */
export interface Installation {
  /** `title` of the configuration in force; at most 200 characters, and any that there are. */
  readonly title: string;
  /** `name` of the configuration: this master among those that share a database. */
  readonly master: string;
  /** Of Belfry. */
  readonly version: string;
}
