import { importTests } from './support/in-one.ts';

await importTests('contract/**/*', 'functional/testkit/discord/**/*');
