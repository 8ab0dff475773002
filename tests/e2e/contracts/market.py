# v0.1.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }
from genlayer import *
import json
import re
import typing
from dataclasses import dataclass


@allow_storage
@dataclass
class Bet:
    better: Address
    outcome: u8
    stake: u256


@allow_storage
@dataclass
class Game:
    teams: str
    date: str
    resolved: bool
    winner: i8
    bets: DynArray[Bet]


class Market(gl.Contract):
    """Bets on games. The score comes from every validator's own computation, which must agree."""

    games: TreeMap[str, Game]
    points: TreeMap[Address, u256]
    rate: float

    def __init__(self):
        self.rate = 0.5

    @gl.public.write
    def create(self, *, date: str, team1: str, team2: str) -> str:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
            raise gl.vm.UserError(f"not a date: {date}")
        game_id = f"{date}_{team1}_{team2}".lower()
        if game_id in self.games:
            raise gl.vm.UserError("Game already created")
        game = gl.storage.inmem_allocate(Game, json.dumps([team1, team2]), date, False, i8(0), [])
        game.winner = i8(-1)
        self.games[game_id] = game
        return game_id

    @gl.public.write.payable
    def bet(self, game_id: str, outcome: int) -> int:
        game = self._game(game_id)
        if game.resolved:
            raise ValueError("Game already resolved")
        game.bets.append(Bet(gl.message.sender_address, u8(outcome), gl.message.value))
        return len(game.bets)

    @gl.public.write
    def resolve(self, game_id: str) -> dict[str, typing.Any]:
        if self._game(game_id).resolved:
            raise gl.vm.UserError("Game already resolved")
        report = f"final score of {game_id}: 2:1"

        def read_score() -> str:
            found = re.search(r"(\d+):(\d+)", report)
            assert found is not None
            home, away = int(found[1]), int(found[2])
            winner = 0 if home == away else 1 if home > away else 2
            return json.dumps({"winner": winner, "score": f"{home}:{away}"}, sort_keys=True)

        agreed = json.loads(gl.eq_principle.strict_eq(read_score))
        game = self.games[game_id]
        game.resolved = True
        game.winner = agreed["winner"]
        pot = sum(bet.stake for bet in game.bets)
        winners = [bet for bet in game.bets if bet.outcome == game.winner]
        for bet in winners:
            share = pot * bet.stake // sum(won.stake for won in winners)
            self.points[bet.better] = self.points.get(bet.better, 0) + share
        return agreed

    @gl.public.view
    def leaderboard(self) -> dict[str, int]:
        return {better.as_hex: points for better, points in self.points.items()}

    @gl.public.view
    def get_game(self, game_id: str) -> dict[str, typing.Any]:
        game = self._game(game_id)
        return {
            "teams": json.loads(game.teams),
            "resolved": game.resolved,
            "winner": game.winner,
            "bets": [{"by": bet.better.as_hex, "on": bet.outcome, "stake": bet.stake} for bet in game.bets],
            "half": str(self.rate),
        }

    def _game(self, game_id: str) -> Game:
        if game_id not in self.games:
            raise gl.vm.UserError("no such game")
        return self.games[game_id]
