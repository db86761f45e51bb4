import { importTests } from './support/in-one.ts';

await importTests('scenario/owner-away/*');
