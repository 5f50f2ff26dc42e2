"""A bot of python-telegram-bot 13 that does what test/peers/peer.ts wants. It ends when its standard input does."""
import json
import os
import sys

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.ext import CallbackQueryHandler, CommandHandler, Filters, MessageHandler, Updater

root = os.environ["TELEGRAM_API_ROOT"]
words = json.loads(os.environ["PEER_WORDS"])


def start(update, context):
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton(words["button"], callback_data=words["data"])]])
    update.message.reply_text(words["greeting"], reply_markup=keyboard)


def press(update, context):
    update.callback_query.answer(words["thanks"])
    update.callback_query.edit_message_text(words["edited"])


def echo(update, context):
    content = context.bot.get_file(update.message.document.file_id).download_as_bytearray()
    reply = words["echo"].replace("{}", content.decode())
    update.message.reply_document(reply.encode(), filename="echo.txt")


updater = Updater(os.environ["TELEGRAM_BOT_TOKEN"], base_url=f"{root}/bot", base_file_url=f"{root}/file/bot")
updater.dispatcher.add_handler(CommandHandler("start", start))
updater.dispatcher.add_handler(CallbackQueryHandler(press))
updater.dispatcher.add_handler(MessageHandler(Filters.document, echo))
updater.start_polling(timeout=1)
print("ready", flush=True)
sys.stdin.read()
updater.stop()
