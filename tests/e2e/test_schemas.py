"""Schemas of published contracts, to the byte (contract-sdk 13)."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from tests.e2e.chain import Chain, source
from tests.e2e.manager_process import ManagerProcess

SCHEMAS = {
    "dao.py": (
        '{"ctor":{"params":[["name","string"],["quorum","int"]],"kwparams":{}},"methods":{'
        '"admit":{"params":[["member","address"]],"kwparams":{},"readonly":false,"ret":"int","payable":false},'
        '"close":{"params":[["proposal_id","int"]],"kwparams":{},"readonly":false,"ret":"string","payable":false},'
        '"expel":{"params":[["member","address"]],"kwparams":{},"readonly":false,"ret":"null","payable":false},'
        '"export":{"params":[],"kwparams":{},"readonly":true,"ret":"string"},'
        '"get_ballots":{"params":[["proposal_id","int"]],"kwparams":{},"readonly":true,"ret":{"$dict":"string"}},'
        '"get_proposal":{"params":[["proposal_id","int"]],"kwparams":{},"readonly":true,"ret":{"$dict":"any"}},'
        '"propose":{"params":[["title","string"]],"kwparams":{},"readonly":false,"ret":"int","payable":false},'
        '"vote":{"params":[["proposal_id","int"],["choice","string"]],"kwparams":{},"readonly":false,'
        '"ret":"null","payable":false}}}'
    ),
    "escrow.py": (
        '{"ctor":{"params":[["fee_percent","int"]],"kwparams":{}},"methods":{'
        '"books":{"params":[],"kwparams":{},"readonly":true,"ret":{"$dict":"int"}},'
        '"deal":{"params":[["name","string"]],"kwparams":{},"readonly":true,"ret":{"$dict":"any"}},'
        '"open":{"params":[["name","string"],["seller","address"],["days","int"]],"kwparams":{},'
        '"readonly":false,"ret":"string","payable":true},'
        '"refund":{"params":[["name","string"]],"kwparams":{},"readonly":false,"ret":"null","payable":false},'
        '"release":{"params":[["name","string"]],"kwparams":{},"readonly":false,"ret":"int","payable":false},'
        '"top_up":{"params":[["name","string"]],"kwparams":{},"readonly":false,"ret":"null","payable":false}}}'
    ),
    "chat.py": (
        '{"ctor":{"params":[["topic","string"]],"kwparams":{}},"methods":{'
        '"attach":{"params":[["encoded","string"]],"kwparams":{},"readonly":false,"ret":"int","payable":false},'
        '"block":{"params":[["words",[{"$rep":"string"}]]],"kwparams":{},"readonly":false,"ret":"null",'
        '"payable":false},'
        '"like":{"params":[["index","int"]],"kwparams":{},"readonly":false,"ret":"int","payable":false},'
        '"page":{"params":[["start","int"],["count","int"]],"kwparams":{},"readonly":true,'
        '"ret":[{"$rep":{"$dict":"any"}}]},'
        '"rename":{"params":[["topic","string"]],"kwparams":{},"readonly":false,"ret":"null","payable":false},'
        '"say":{"params":[["text","string"],["mood","int"]],"kwparams":{"nick":{"$or":["string","null"]}},'
        '"readonly":false,"ret":"int","payable":false},'
        '"summary":{"params":[],"kwparams":{},"readonly":true,"ret":{"$dict":"any"}},'
        '"unsay":{"params":[],"kwparams":{},"readonly":false,"ret":"null","payable":false}}}'
    ),
    "token.py": (
        '{"ctor":{"params":[["supply","int"]],"kwparams":{}},"methods":{'
        '"balance_of":{"params":[["owner","address"]],"kwparams":{},"readonly":true,"ret":"int"},'
        '"grant":{"params":[["to","address"],["amount","int"],["memo","string"]],"kwparams":{},'
        '"readonly":false,"ret":"null","payable":false},'
        '"richer":{"params":[["a","address"],["b","address"]],"kwparams":{},"readonly":true,"ret":"address"}}}'
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
async def test_the_schema_is_as_specified(chain: Chain, name: str) -> None:
    assert await chain.schema(source(name)) == SCHEMAS[name]


async def test_the_schema_of_a_deployed_contract_is_that_of_its_code(chain: Chain) -> None:
    token = await chain.deploy(source("token.py"), 1)
    outcome = await chain.node.schema(token)
    assert outcome.result is not None
    assert outcome.result.data == SCHEMAS["token.py"]


@pytest.mark.parametrize("name", SCHEMAS)
async def test_the_manager_tells_the_schema_of_a_code_that_is_deployed_nowhere(
    manager: ManagerProcess, name: str
) -> None:
    """manager-api 3.7: `POST /genvm/run/readonly`."""
    at = {"Deployment-Timestamp": "2026-01-01T00:00:00Z"}
    code = source(name)
    async with (
        ClientSession(manager.address) as session,
        session.post("/genvm/run/readonly", data=code, headers=at) as response,
    ):
        assert (response.status, await response.json()) == (200, {"schema": SCHEMAS[name]})


async def test_a_code_without_a_schema_says_why(manager: ManagerProcess) -> None:
    at = {"Deployment-Timestamp": "2026-01-01T00:00:00Z"}
    code = b'# { "Depends": "py-genlayer:test" }\nraise ValueError("boom")\n'
    async with (
        ClientSession(manager.address) as session,
        session.post("/genvm/run/readonly", data=code, headers=at) as response,
    ):
        assert response.status == 500
        text = (await response.json())["error"]
    assert text.startswith("VmError: exit_code 1")
    assert "ValueError: boom" in text
