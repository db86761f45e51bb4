"""A bot on discord.py with sqlite3. It knows nothing of Guildway."""

import os
import sqlite3

import discord
from discord import app_commands

db = sqlite3.connect("bot.sqlite", isolation_level=None)
db.executescript(
    """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS tags (guild_id TEXT, name TEXT, content TEXT, PRIMARY KEY (guild_id, name));
    CREATE TABLE IF NOT EXISTS points (guild_id TEXT, user_id TEXT, points INTEGER, PRIMARY KEY (guild_id, user_id));
    """
)

intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)


class Bot(discord.Client):
    def __init__(self):
        super().__init__(intents=intents)
        self.tree = app_commands.CommandTree(self)

    async def on_ready(self):
        print(f"Ready, in {len(self.guilds)} guilds", flush=True)
        await self.tree.sync()

    async def on_message(self, message):
        if message.author.bot or message.guild is None:
            return
        db.execute(
            "INSERT INTO points VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET points = points + 1",
            (str(message.guild.id), str(message.author.id)),
        )


bot = Bot()
tag = app_commands.Group(name="tag", description="Texts to repeat")


@tag.command(name="add", description="Add a tag")
async def add(interaction: discord.Interaction, name: str, content: str):
    cursor = db.execute("INSERT OR IGNORE INTO tags VALUES (?, ?, ?)", (str(interaction.guild_id), name, content))
    added = cursor.rowcount == 1
    await interaction.response.send_message(f"Tag {name} added." if added else "That tag already exists.")


@tag.command(name="show", description="Show a tag")
async def show(interaction: discord.Interaction, name: str):
    await interaction.response.defer()
    row = db.execute(
        "SELECT content FROM tags WHERE guild_id = ? AND name = ?", (str(interaction.guild_id), name)
    ).fetchone()
    await interaction.edit_original_response(content=row[0] if row else f"Could not find tag: {name}")


@bot.tree.command(name="points", description="Who writes most")
async def points(interaction: discord.Interaction):
    rows = db.execute("SELECT user_id, points FROM points WHERE guild_id = ?", (str(interaction.guild_id),))
    text = "\n".join(f"<@{user}>: {count}" for user, count in rows)
    await interaction.response.send_message(text or "Nobody yet.")


bot.tree.add_command(tag)
bot.run(os.environ["DISCORD_TOKEN"])
