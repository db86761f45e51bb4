import type { IConfiguration } from 'dependency-cruiser';

export const PARTS: Readonly<Record<string, readonly string[]>>;
declare const configuration: IConfiguration & { readonly options: object };
export default configuration;
