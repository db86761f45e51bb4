/** The fuzz targets by name. */
import type { FuzzTarget } from './driver.ts';
import { RequestFuzz } from './requests.ts';
import { ResponseFuzz } from './responses.ts';

export const TARGETS: Readonly<Record<string, () => Promise<FuzzTarget>>> = {
  requests: () => RequestFuzz.start(),
  responses: () => ResponseFuzz.start(),
};
