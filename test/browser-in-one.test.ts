import { importTests } from './support/in-one.ts';

await importTests('browser/*');
