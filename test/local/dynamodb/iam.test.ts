/** The IAM policy. */
import { iamPolicy } from "../../../lib/local/dynamodb/iam.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("local/dynamodb/iam");

test("iamPolicy() allows the seven actions on the one table", () => {
  const { Version, Statement } = iamPolicy("my-chats");
  assert.is(Version, "2012-10-17");
  assert.equal(Statement, [{
    Effect: "Allow",
    Action: [
      "dynamodb:CreateTable",
      "dynamodb:DescribeTable",
      "dynamodb:PutItem",
      "dynamodb:GetItem",
      "dynamodb:UpdateItem",
      "dynamodb:Scan",
      "dynamodb:Query",
    ],
    Resource: ["arn:aws:dynamodb:*:*:table/my-chats"],
  }]);
});

test("iamPolicy() allows the ledger's five actions on its table and its index, where one is named", () => {
  const { Statement } = iamPolicy("my-chats", "my-broadcasts");
  assert.equal(Statement.slice(0, 1), iamPolicy("my-chats").Statement);
  assert.equal(Statement.slice(1), [{
    Effect: "Allow",
    Action: [
      "dynamodb:CreateTable",
      "dynamodb:DescribeTable",
      "dynamodb:GetItem",
      "dynamodb:UpdateItem",
      "dynamodb:Query",
    ],
    Resource: [
      "arn:aws:dynamodb:*:*:table/my-broadcasts",
      "arn:aws:dynamodb:*:*:table/my-broadcasts/index/*",
    ],
  }]);
});

test.run();
