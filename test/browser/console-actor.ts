import type { Locator, Page } from 'playwright-core';

/** A user's actions in the console, through visible elements. */
export class ConsoleActor {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get messageField(): Locator {
    return this.page.getByRole('combobox', { name: /^Message #/ });
  }

  get messages(): Locator {
    return this.page.getByRole('log', { name: 'Messages' }).getByRole('article');
  }

  get lastMessage(): Locator {
    return this.messages.last();
  }

  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.messageField.waitFor();
  }

  /** Resolves when the guild is shown, not only selected. */
  async openGuild(name: string): Promise<void> {
    const heading = this.page.getByRole('heading', { level: 1 }).getByText(name, { exact: true });
    // Opening a guild again would discard a command that was started before the guild is shown.
    if (await heading.isVisible()) return;
    const servers = this.page.getByRole('navigation', { name: 'Servers' });
    await servers.getByRole('searchbox').fill(name);
    await servers.getByRole('button', { name, exact: true }).click();
    await heading.waitFor();
  }

  /**
   * Resolves when the page shows this user's view. The picker shows the name earlier.
   * @param name the name in the user picker
   */
  async actAs(name: string): Promise<void> {
    const [userId] = await this.page.getByLabel('You act as').selectOption({ label: name });
    await this.page.waitForURL((url) => url.hash.endsWith(`/${userId}`));
  }

  async say(text: string): Promise<void> {
    await this.messageField.fill(text);
    await this.messageField.press('Enter');
    await this.lastMessage.getByText(text).waitFor();
  }

  /** Types a command and its options with the keyboard only: `/warn`, `{ user: 'Robin Otter', reason: 'spam' }`. */
  async command(command: string, options: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.messageField.fill(command);
    await this.page.getByRole('option', { name: new RegExp(`^${command}`), selected: true }).waitFor();
    await this.messageField.press('Enter');
    for (const [name, value] of Object.entries(options)) {
      const field = this.page.getByLabel(name, { exact: true });
      if ((await field.count()) === 0) await this.page.getByRole('button', { name: `Add the option ${name}` }).click();
      if ((await field.and(this.page.locator('select')).count()) === 1) {
        const choices = await field.getByRole('option').allTextContents();
        await field.selectOption({ label: choices.find((choice) => choice.startsWith(value)) ?? value });
      } else await field.fill(value);
    }
    await this.page.keyboard.press('Enter');
  }
}

/** The responding pods, the time and the outcome from the badge below a message. */
export async function badgeOf(
  message: Locator,
): Promise<{ httpPod: string; pod: string; time: string; outcome: string }> {
  const badge = message.locator('.badge').last();
  const textOf = async (part: string) => (await badge.locator(part).first().textContent()) ?? '';
  return {
    httpPod: await textOf('.http-pod'),
    pod: await textOf('.pod'),
    time: await textOf('.ms'),
    outcome: await textOf('.outcome'),
  };
}
