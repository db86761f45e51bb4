import { Command } from 'commander';
import { GuildwayError } from '../../errors.ts';
import { loadBot } from '../../load-bot.ts';

/** `guildway inventory`: what `guildway plan --kubernetes` runs in each gateway pod. */
export function inventoryCommand(): Command {
  return new Command('inventory')
    .description("print what this pod's database holds, as JSON; `guildway plan --kubernetes` runs it in each pod")
    .option('--database <path>', 'the database (default: DATABASE_PATH)')
    .option('--bot <module>', 'the bot (default: BOT, else the moderation bot)')
    .action(async (options: { readonly database?: string; readonly bot?: string }) => {
      const path = options.database ?? process.env.DATABASE_PATH;
      if (path === undefined) {
        throw new GuildwayError('CONFIG_INVALID', 'DATABASE_PATH is not set: name the database with --database <path>');
      }
      const { openInventory } = await import('../../gateway/store/moving/inventory.ts');
      const opened = openInventory(path, await loadBot(options.bot ?? process.env.BOT ?? null));
      process.stdout.write(`${JSON.stringify(opened.inventory)}\n`);
      opened[Symbol.dispose]();
    });
}
